//! A writer that counts the writes that fail.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

static FAILED: AtomicUsize = AtomicUsize::new(0);

/// A writer of lines, whose thread goes on after an error.
#[derive(Debug)]
pub(super) struct Counted<W> {
    pub(super) inner: W,
}

impl<W> Counted<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.inner.write(line).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                FAILED.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns the number of lines that could not be written.
pub(super) fn failed_writes() -> usize {
    FAILED.load(Ordering::Relaxed)
}
