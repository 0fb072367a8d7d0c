//! Standard output and error of a plugin, which go to its log.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::log::GuestLog;
use edge_cache_core::LogLevel;

/// Largest write that a stream accepts at once, as in WASI's own streams.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Standard output or error of a plugin, as a stream of log lines.
///
/// A line is logged at its end, or when it reaches the limit `log_line_bytes`.
#[derive(Clone)]
pub(crate) struct LogStream {
    log: Arc<GuestLog>,
    level: LogLevel,
    context: &'static str,
    line: Arc<Mutex<Vec<u8>>>,
}

impl LogStream {
    pub(crate) fn new(log: &Arc<GuestLog>, level: LogLevel, context: &'static str) -> Self {
        Self {
            log: log.clone(),
            level,
            context,
            line: Arc::default(),
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for &byte in bytes {
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() >= self.log.line_bytes_max {
                self.log
                    .write(self.level, self.context, &String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 uses this function, and it is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}
