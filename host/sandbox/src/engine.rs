//! The wasmtime engine, and the thread that advances its epoch for deadlines.

use std::thread;
use std::time::Duration;

use edge_cache_core::Limits;
use wasmtime::{Config, Engine};

/// Makes an engine for untrusted components and starts its epoch thread.
///
/// The thread ends when the engine is dropped.
pub(crate) fn new(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        // Synchronous calls without fibres take a third of the time, and no call is async.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes);
    let engine = Engine::new(&config)?;
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
