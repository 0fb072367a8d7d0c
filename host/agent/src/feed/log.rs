//! Hits and misses in the lines of a log, such as nginx's with `$upstream_cache_status`.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};
use edge_cache_client::EdgeCacheStats;
use tokio::sync::watch;

use super::cache::{Cache, Reading};

#[cfg(test)]
mod tests;

/// The words that count. Nginx sends the first four from the cache; for the others it answers with what the origin sent.
const HITS: [&str; 4] = ["HIT", "STALE", "UPDATING", "REVALIDATED"];
const MISSES: [&str; 3] = ["MISS", "EXPIRED", "BYPASS"];
/// The length of the longest of these words.
const WORD_BYTES_MAX: usize = 11;
const BUFFER_BYTES: usize = 64 * 1024;

/// The counts of lines on standard input since the start.
#[derive(Debug)]
pub(super) struct Log {
    counts: Arc<Counts>,
    /// Closed when standard input has ended.
    ended: watch::Receiver<()>,
    was_read: bool,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Log {
    /// Counts on a thread of its own: a blocked thread of the runtime would delay the end.
    pub(super) fn of_stdin() -> Result<Self> {
        let counts = Arc::<Counts>::default();
        let (sender, ended) = watch::channel(());
        let shared = counts.clone();
        thread::Builder::new()
            .name("edge-stdin".into())
            .spawn(move || {
                // A log that cannot be read any more has ended.
                let _ = count(&mut io::stdin().lock(), &shared);
                drop(sender);
            })
            .context("cannot start a thread for standard input")?;
        Ok(Self {
            counts,
            ended,
            was_read: false,
        })
    }
}

impl Cache for Log {
    async fn read(&mut self) -> Result<Reading> {
        let counters = EdgeCacheStats {
            hits: self.counts.hits.load(Ordering::Relaxed),
            misses: self.counts.misses.load(Ordering::Relaxed),
        };
        let was_read = std::mem::replace(&mut self.was_read, true);
        Ok(Reading {
            counters,
            has_begun_again: !was_read,
        })
    }

    async fn ended(&mut self) {
        while self.ended.changed().await.is_ok() {}
    }
}

fn count(log: &mut impl Read, counts: &Counts) -> io::Result<()> {
    let mut lines = Lines::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = match log.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length?,
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        for &byte in bytes {
            lines.take(byte);
        }
        if bytes.is_empty() {
            lines.take(b'\n');
        }
        counts.hits.store(lines.counted.hits, Ordering::Relaxed);
        counts.misses.store(lines.counted.misses, Ordering::Relaxed);
        if bytes.is_empty() {
            return Ok(());
        }
    }
}

/// A reader of lines, which keeps no more of a line than a word. The first word that counts decides about its line.
#[derive(Debug, Default)]
struct Lines {
    counted: EdgeCacheStats,
    is_decided: bool,
    word: [u8; WORD_BYTES_MAX],
    /// The length of the word so far, which may be longer than what is kept.
    length: usize,
}

impl Lines {
    fn take(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() {
            if let Some(place) = self.word.get_mut(self.length) {
                *place = byte;
            }
            self.length = self.length.saturating_add(1);
            return;
        }
        // A longer word is none that counts.
        let word = self.word.get(..self.length).unwrap_or_default();
        if !self.is_decided && !word.is_empty() {
            let is_one_of = |words: &[&str]| words.iter().any(|known| known.as_bytes() == word);
            let one = EdgeCacheStats {
                hits: is_one_of(&HITS).into(),
                misses: is_one_of(&MISSES).into(),
            };
            self.is_decided = one != EdgeCacheStats::default();
            self.counted.hits = self.counted.hits.saturating_add(one.hits);
            self.counted.misses = self.counted.misses.saturating_add(one.misses);
        }
        self.length = 0;
        if byte == b'\n' {
            self.is_decided = false;
        }
    }
}
