//! The last lines of an agent's log, kept for the case that something goes wrong.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use edge_cache_core::text;

/// How many lines are kept.
const LINES_MAX: usize = 12;
/// The longest that a kept line gets, in bytes.
const LINE_BYTES_MAX: usize = 400;
/// How long the last words of an agent that is ending may take.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);

/// Reads what an agent says for as long as it speaks, so that it never waits for a reader.
#[derive(Debug)]
pub(super) struct Log {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: JoinHandle<()>,
}

impl Log {
    pub(super) fn follow(stderr: ChildStderr) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::with_capacity(LINES_MAX)));
        let reader = tokio::spawn(keep(stderr, lines.clone()));
        Self { lines, reader }
    }

    /// The last lines, oldest first.
    pub(super) async fn tail(&mut self) -> Vec<String> {
        // Of an agent that lives on there is no end to wait for.
        if !self.reader.is_finished() {
            let _ = timeout(LAST_WORDS_WITHIN, &mut self.reader).await;
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

async fn keep(stderr: ChildStderr, lines: Arc<Mutex<VecDeque<String>>>) {
    let mut segments = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(segment)) = segments.next_segment().await {
        let line = text::clean(&String::from_utf8_lossy(&segment), LINE_BYTES_MAX);
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}
