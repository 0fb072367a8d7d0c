//! One runtime on one thread for the doors that need one: what is under way stands still between two inputs.

use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::runtime::{Builder, Runtime};

/// The things that a door needs for all of its inputs, on a runtime of its own.
pub(super) struct Stage<T>(OnceLock<Mutex<(Runtime, T)>>);

impl<T: 'static> Stage<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Makes the stage before the first input, and plays one. Returns what comes of it.
    pub(super) fn play<F: Future<Output = T>, R>(
        &self,
        make: impl FnOnce() -> F,
        input: impl AsyncFnOnce(&mut T) -> R,
    ) -> R {
        let set = || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let made = runtime.block_on(make());
            Mutex::new((runtime, made))
        };
        let stage = self.0.get_or_init(set);
        let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
        let (runtime, made) = &mut *stage;
        runtime.block_on(input(made))
    }
}
