//! WASI 0.2 without any resources: no files, network, environment or arguments, and no waiting.
//!
//! Components from ordinary toolchains import much of WASI, so all of it is linked, but empty. A wait would
//! block the thread beyond the call's deadline, so `poll` returns what is ready now and traps if nothing is.

use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::sync::io::poll;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiView};

use crate::clock::WallClock;
use crate::log::GuestLog;
use crate::stdio::LogStream;
use edge_cache_core::LogLevel;

/// Makes a context without resources, whose output goes to the log.
pub(crate) fn context(log: &Arc<GuestLog>, clock: WallClock, random_bytes_max: u64) -> WasiCtx {
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

/// Links WASI 0.2, with a `poll` that never waits.
pub(crate) fn add_to_linker<T: WasiView>(linker: &mut Linker<T>) -> Result<()> {
    p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    poll::add_to_linker::<T, HasReadiness>(linker, |state| Readiness(state.ctx().table))?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Implementation of `wasi:io/poll` that never waits.
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
