//! WASI 0.2 without any resources: no files, network, environment or arguments.
//!
//! Components from ordinary toolchains import much of WASI, so all of it is linked, but empty. A wait ends before the
//! deadline of the call, or fails at once.

pub(crate) mod http;
mod wait;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use edge_cache_core::LogLevel;
use wasmtime::Result;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder, WasiView};

use crate::log::InstanceLog;

pub(crate) use self::wait::{Waits, WaitsView, WouldWait};

/// Largest write that a stream accepts at once, as in WASI's own streams.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Makes a context without resources, whose standard output and error are streams of the log.
pub(crate) fn context(
    [stdout, stderr]: [&LogStream; 2],
    clock: WallClock,
    random_bytes_max: usize,
) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .wall_clock(clock)
        .max_random_size(u64::try_from(random_bytes_max).unwrap_or(u64::MAX))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Links WASI 0.2, with waits that end before the call's deadline.
pub(crate) fn add_to_linker<T: WasiView>(
    linker: &mut Linker<T>,
    waits: fn(&mut T) -> WaitsView<'_>,
) -> Result<()> {
    p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    let linked = wait::add_to_linker(linker, waits);
    linker.allow_shadowing(false);
    linked
}

/// Wall clock of a plugin: the system's by default, another one in tests. Cheap to clone.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    /// Makes a clock that calls `now` for each reading.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the current time.
    pub fn time(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        // A plugin reads 1970 from a clock that shows an earlier time.
        self.time()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// Standard output or error of a plugin, as a stream of log lines.
///
/// A line is logged at its end, when it reaches the limit `log_line_bytes`, or when the call fails.
#[derive(Clone)]
pub(crate) struct LogStream {
    log: Arc<InstanceLog>,
    level: LogLevel,
    context: &'static str,
    line: Arc<Mutex<Vec<u8>>>,
}

impl LogStream {
    pub(crate) fn new(log: &Arc<InstanceLog>, level: LogLevel, context: &'static str) -> Self {
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
            if byte == b'\n' || line.len() >= self.log.log.line_bytes_max {
                self.log_line(&mut line);
            }
        }
    }

    /// Logs a line that has no end yet, if there is one.
    pub(crate) fn end_line(&self) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if !line.is_empty() {
            self.log_line(&mut line);
        }
    }

    fn log_line(&self, line: &mut Vec<u8>) {
        self.log
            .write(self.level, self.context, &String::from_utf8_lossy(line));
        line.clear();
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
