//! The last log lines of an agent, for error messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use edge_cache_core::text;

/// The number of lines in memory.
const LINES_MAX: usize = 12;
/// The longest line in memory, in bytes.
const LINE_BYTES_MAX: usize = 400;
/// The time limit for the last lines of an agent that ends.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);

/// A reader of an agent's log. It reads to the end, so that the agent never blocks on a full pipe.
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

    /// Returns the last lines, oldest first.
    pub(super) async fn tail(&mut self) -> Vec<String> {
        // The log of a running agent does not end: wait for a bounded time.
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
