//! Registries that are made and used outside of a runtime, in any kind of one, and in several.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use edge_cache_host::zlayer::edge_cache::EdgeCacheRegistry;
use tokio::runtime::{Builder, Runtime};

use super::capacity;

/// Wakes a thread that waits for a future, as the simplest executor does.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future without a runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap(),
    ]
}

#[test]
fn a_registry_is_made_and_used_without_a_runtime() {
    let registry = EdgeCacheRegistry::new();
    block_on(registry.enable(1, capacity(1))).unwrap();
    assert!(block_on(registry.is_enabled(1)));
    assert_eq!(block_on(registry.list_eligible()).len(), 1);
}

#[test]
fn a_registry_outlives_the_runtimes_that_use_it() {
    let registry = EdgeCacheRegistry::new();
    for (node_id, runtime) in (0..).zip(runtimes()) {
        runtime
            .block_on(registry.enable(node_id, capacity(1)))
            .unwrap();
    }
    for runtime in runtimes() {
        assert_eq!(runtime.block_on(registry.list_eligible()).len(), 2);
    }
    block_on(registry.disable(1)).unwrap();
    // Made and dropped inside of one.
    for runtime in runtimes() {
        runtime.block_on(async {
            let registry = EdgeCacheRegistry::new();
            registry.enable(1, capacity(1)).await.unwrap();
        });
    }
}
