//! The wall clock that plugins read.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wasmtime_wasi::HostWallClock;

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
