//! Waits of a plugin: `wasi:clocks/monotonic-clock` and `wasi:io/poll`.
//!
//! A host call cannot be interrupted. So a wait that would end after the deadline of the plugin's call fails at once, and
//! so does one that nothing would end. A shorter one sleeps on the plugin's thread, which is the writer's.

use std::collections::HashMap;
use std::future::pending;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::sync::io::poll;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

/// Timers of an instance, and the end of its call.
#[derive(Debug)]
pub(crate) struct Waits {
    /// Zero of the monotonic clock.
    started: Instant,
    /// Deadline of the call; none: no wait is too long. Default: the present, so that each wait fails at once.
    pub(crate) deadline: Option<Instant>,
    /// End of each pollable of the clock. The limit `handles` bounds their number.
    timers: HashMap<u32, Option<Instant>>,
}

impl Default for Waits {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            deadline: Some(now),
            timers: HashMap::new(),
        }
    }
}

/// The error of a wait beyond the deadline of its call.
#[derive(Debug, Error)]
#[error("wasi:io/poll would wait for longer than the call may take")]
pub(crate) struct WouldWait;

/// The timers of an instance with the table that holds their pollables.
pub(crate) struct WaitsView<'a> {
    pub(crate) waits: &'a mut Waits,
    pub(crate) table: &'a mut ResourceTable,
}

struct HasWaits;

impl HasData for HasWaits {
    type Data<'a> = WaitsView<'a>;
}

/// Links the clock and `poll` in place of those of WASI.
pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    waits: fn(&mut T) -> WaitsView<'_>,
) -> Result<()> {
    poll::add_to_linker::<T, HasWaits>(linker, waits)?;
    monotonic_clock::add_to_linker::<T, HasWaits>(linker, waits)
}

/// A point in time. None never comes.
struct Timer(Option<Instant>);

#[wasmtime_wasi::async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        if self.0.is_none_or(|end| Instant::now() < end) {
            // The pollable is only asked whether it is ready now.
            pending().await
        }
    }
}

impl WaitsView<'_> {
    fn subscribe(&mut self, end: Option<Instant>) -> Result<Resource<DynPollable>> {
        let timer = self.table.push(Timer(end))?;
        let pollable = subscribe(self.table, timer)?;
        self.waits.timers.insert(pollable.rep(), end);
        Ok(pollable)
    }

    /// Sleeps until the first of some timers ends.
    fn wait(&self, pollables: impl Iterator<Item = u32>) -> Result<()> {
        let ends = pollables.filter_map(|pollable| *self.waits.timers.get(&pollable)?);
        let end = ends.min().ok_or(WouldWait)?;
        if self.waits.deadline.is_some_and(|deadline| end >= deadline) {
            return Err(WouldWait.into());
        }
        thread::sleep(end.saturating_duration_since(Instant::now()));
        Ok(())
    }

    fn is_ready(&mut self, pollable: u32) -> Result<bool> {
        poll::HostPollable::ready(self.table, Resource::new_borrow(pollable))
    }
}

impl monotonic_clock::Host for WaitsView<'_> {
    fn now(&mut self) -> Result<monotonic_clock::Instant> {
        let now = self.waits.started.elapsed().as_nanos();
        Ok(now.try_into().unwrap_or(u64::MAX))
    }

    fn resolution(&mut self) -> Result<monotonic_clock::Duration> {
        Ok(1)
    }

    fn subscribe_instant(
        &mut self,
        when: monotonic_clock::Instant,
    ) -> Result<Resource<DynPollable>> {
        let when = Duration::from_nanos(when);
        self.subscribe(self.waits.started.checked_add(when))
    }

    fn subscribe_duration(
        &mut self,
        duration: monotonic_clock::Duration,
    ) -> Result<Resource<DynPollable>> {
        self.subscribe(Instant::now().checked_add(Duration::from_nanos(duration)))
    }
}

impl poll::Host for WaitsView<'_> {
    fn poll(&mut self, pollables: Vec<Resource<poll::Pollable>>) -> Result<Vec<u32>> {
        loop {
            let mut ready = Vec::new();
            for (index, pollable) in (0..).zip(&pollables) {
                if self.is_ready(pollable.rep())? {
                    ready.push(index);
                }
            }
            if !ready.is_empty() {
                return Ok(ready);
            }
            self.wait(pollables.iter().map(Resource::rep))?;
        }
    }
}

impl poll::HostPollable for WaitsView<'_> {
    fn ready(&mut self, pollable: Resource<poll::Pollable>) -> Result<bool> {
        self.is_ready(pollable.rep())
    }

    fn block(&mut self, pollable: Resource<poll::Pollable>) -> Result<()> {
        while !self.is_ready(pollable.rep())? {
            self.wait([pollable.rep()].into_iter())?;
        }
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<poll::Pollable>) -> Result<()> {
        self.waits.timers.remove(&pollable.rep());
        poll::HostPollable::drop(self.table, pollable)
    }
}
