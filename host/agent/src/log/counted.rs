//! A writer of lines that counts those it loses, and keeps them apart.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

static FAILED: AtomicUsize = AtomicUsize::new(0);

/// The end of a line.
const LINE_FEED: u8 = b'\n';

/// A writer of lines, whose thread goes on after an error. A line that was written in part, on a disk that was full, ends
/// before the next one begins.
#[derive(Debug)]
pub(super) struct Counted<W> {
    written: Written<W>,
}

/// A writer that knows the last byte it wrote.
#[derive(Debug)]
struct Written<W> {
    inner: W,
    last: u8,
}

impl<W: Write> Counted<W> {
    pub(super) fn new(inner: W) -> Self {
        Self::behind(inner, LINE_FEED)
    }

    /// Creates a writer whose output ends with this byte.
    pub(super) fn behind(inner: W, last: u8) -> Self {
        Self {
            written: Written { inner, last },
        }
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.written.last != LINE_FEED {
            self.written.write_all(&[LINE_FEED])?;
        }
        self.written.write_all(line)
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.line(line).inspect_err(|_| {
            FAILED.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.written.flush()
    }
}

impl<W: Write> Write for Written<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        if let Some(last) = bytes.get(..count).and_then(<[u8]>::last) {
            self.last = *last;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns the number of lines that could not be written.
pub(super) fn failed_writes() -> usize {
    FAILED.load(Ordering::Relaxed)
}
