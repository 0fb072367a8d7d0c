//! The engine and the thread that makes deadlines true.

use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine};

use edge_cache_core::Limits;

/// An engine for untrusted components under these limits, with its clock running.
///
/// The clock's thread ends by itself when the last user of the engine is gone.
pub(super) fn new(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        // Sync calls without fibres cost a third, and nothing here is async.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes);
    let engine = Engine::new(&config)?;
    start_clock(&engine, limits.epoch_tick)?;
    Ok(engine)
}

/// The number of ticks after which a call has surely run for `deadline`: one more than fit, since the
/// first may come at once.
pub(super) fn ticks(deadline: Duration, tick: Duration) -> u64 {
    let ticks = deadline.as_nanos().checked_div(tick.as_nanos());
    ticks
        .and_then(|ticks| u64::try_from(ticks).ok())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

fn start_clock(engine: &Engine, tick: Duration) -> wasmtime::Result<()> {
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
