//! A writer that counts the writes that fail.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

static FAILED: AtomicUsize = AtomicUsize::new(0);

/// A writer of lines, whose thread goes on after an error.
#[derive(Debug)]
pub(super) struct Counted<W>(pub(super) W);

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                FAILED.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Returns the number of lines that could not be written.
pub(super) fn failed_writes() -> usize {
    FAILED.load(Ordering::Relaxed)
}
