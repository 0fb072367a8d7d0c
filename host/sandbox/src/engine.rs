//! The wasmtime engine: features that plugins may use, and the interruption of calls by epochs.

use std::thread;
use std::time::Duration;

use edge_cache_core::Limits;
use rustix::process::{Resource, getrlimit};
use wasmtime::{Collector, Config, Engine};

/// Returns the configuration that compiled code depends on, for this process and the compiler.
pub(crate) fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        // Synchronous calls without fibres take a third of the time, and no call is async.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes)
        // The adapters between the parts of a composed plugin access two memories.
        .wasm_multi_memory(true)
        .wasm_memory64(false)
        // C++ throws exceptions, Kotlin has objects. This collector frees cycles too; its heap passes the store's limiter.
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_exceptions(true)
        .collector(Collector::Copying)
        // Placement is the same on every machine.
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true);
    // A process with little address space (`ulimit -v`) has no room for the gigabytes that a memory reserves. Its memories
    // move when they grow, and their bounds are checked. The compiler has the limit of its parent, and decides alike.
    if getrlimit(Resource::As).current.is_some() {
        config
            .memory_reservation(0)
            .memory_reservation_for_growth(0)
            .memory_guard_size(0);
    }
    config
}

/// Makes an engine for untrusted components and starts its epoch thread.
///
/// The thread ends when the engine is dropped.
pub(crate) fn engine(limits: &Limits) -> wasmtime::Result<Engine> {
    let engine = Engine::new(&config(limits))?;
    start_epoch_thread(&engine, limits.epoch_tick)?;
    Ok(engine)
}

/// Returns the number of epoch ticks after which a call has run for at least `deadline`.
///
/// The first tick may follow at once, so the number is one more than fits.
pub(crate) fn ticks(deadline: Duration, tick: Duration) -> u64 {
    let ticks = deadline.as_nanos().checked_div(tick.as_nanos());
    ticks
        .and_then(|ticks| u64::try_from(ticks).ok())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

fn start_epoch_thread(engine: &Engine, tick: Duration) -> wasmtime::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("edge-epoch".into())
        .spawn(move || {
            loop {
                thread::sleep(tick);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
    Ok(())
}
