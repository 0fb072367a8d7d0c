//! WASI for a component that is given nothing: no files, no network, no environment, no arguments, and no
//! waiting.
//!
//! Components from ordinary toolchains import much of WASI 0.2, so all of it is there, empty. A wait would
//! hold the thread for as long as the component likes, past its deadline: `poll` answers what is ready now
//! and ends the call where nothing is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::sync::io::poll;
use wasmtime_wasi::p2::{self, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder};

use super::instance::HostState;
use super::log::{GuestLog, LogLevel};

/// What a component takes for the wall clock: the system's, unless a test brings its own.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    /// A clock that asks `now` each time.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What it shows.
    pub fn time(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl std::fmt::Debug for WallClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WallClock")
    }
}

/// What a write to stdout or stderr may hold at once; the size that WASI's own streams use.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// An empty context whose output goes to the component's log.
pub(super) fn context(log: &Arc<GuestLog>, clock: WallClock, random_bytes_max: u64) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(LogStream::new(log, LogLevel::Info, "stdout"))
        .stderr(LogStream::new(log, LogLevel::Warn, "stderr"))
        .wall_clock(clock)
        .max_random_size(random_bytes_max)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Links WASI 0.2 with waiting taken out.
pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> Result<()> {
    p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    poll::add_to_linker::<HostState, HasReadiness>(linker, |state| Readiness(&mut state.table))?;
    linker.allow_shadowing(false);
    Ok(())
}

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        // A clock before 1970 is shown to the component as 1970.
        (self.0)()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// `wasi:io/poll` that never waits.
struct Readiness<'a>(&'a mut ResourceTable);

struct HasReadiness;

impl HasData for HasReadiness {
    type Data<'a> = Readiness<'a>;
}

impl poll::Host for Readiness<'_> {
    fn poll(&mut self, pollables: Vec<Resource<poll::Pollable>>) -> Result<Vec<u32>> {
        let mut ready = Vec::new();
        for (index, pollable) in (0..).zip(pollables) {
            if poll::HostPollable::ready(self.0, pollable)? {
                ready.push(index);
            }
        }
        if ready.is_empty() {
            return Err(would_wait());
        }
        Ok(ready)
    }
}

impl poll::HostPollable for Readiness<'_> {
    fn ready(&mut self, pollable: Resource<poll::Pollable>) -> Result<bool> {
        poll::HostPollable::ready(self.0, pollable)
    }

    fn block(&mut self, pollable: Resource<poll::Pollable>) -> Result<()> {
        if poll::HostPollable::ready(self.0, pollable)? {
            Ok(())
        } else {
            Err(would_wait())
        }
    }

    fn drop(&mut self, pollable: Resource<poll::Pollable>) -> Result<()> {
        poll::HostPollable::drop(self.0, pollable)
    }
}

fn would_wait() -> wasmtime::Error {
    wasmtime::format_err!("wasi:io/poll would wait, and a component may not wait")
}

/// Stdout or stderr: whole lines go to the log, a line without an end when it is as long as a line may be.
#[derive(Clone)]
struct LogStream {
    log: Arc<GuestLog>,
    level: LogLevel,
    context: &'static str,
    line: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl LogStream {
    fn new(log: &Arc<GuestLog>, level: LogLevel, context: &'static str) -> Self {
        Self {
            log: log.clone(),
            level,
            context,
            line: Arc::default(),
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self
            .line
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for &byte in bytes {
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() >= self.log.line_bytes_max() {
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
        // Only WASI 0.3 asks for it, which is not linked.
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
