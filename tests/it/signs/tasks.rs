//! Threads and tasks that end by a panic: each is a reason not to be alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use edge_cache_agent::http::{self, About, AppState};
use edge_cache_agent::plugin_manager::PluginManager;
use edge_cache_agent::shutdown::Shutdown;
use edge_cache_host::gossip::{GossipPool, PeerInfo};
use edge_cache_host::sandbox::{Plugin, PluginConfig, WallClock};
use edge_cache_host::{EdgeCacheError, EdgeCacheRegistry};
use edge_cache_tests::agent::compiler;
use edge_cache_tests::cluster::{Settings, disk};
use edge_cache_tests::component::hostile;
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(20);

/// An agent without its listeners.
struct Parts {
    state: AppState,
    stop: Shutdown,
}

impl Parts {
    async fn new(registry: EdgeCacheRegistry) -> Self {
        let reference = edge_cache_build::build_reference_plugin().unwrap();
        let config = PluginConfig::default();
        let (plugins, _) = PluginManager::of_file(config, Some(reference), compiler().unwrap())
            .await
            .unwrap();
        let stop = Shutdown::default();
        let state = AppState::new(registry, None, plugins, stop.clone(), About::default());
        Self { state, stop }
    }

    async fn livez(&self) -> (u16, Value) {
        let request = axum::http::Request::get("/health/livez");
        let request = request.body(axum::body::Body::empty()).unwrap();
        let routes = http::health_routes(self.state.clone());
        let response = routes.oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 4_096).await;
        (
            status.as_u16(),
            serde_json::from_slice(&body.unwrap()).unwrap(),
        )
    }

    async fn expect_dead(&self, reason: &str) {
        let body = until("an agent that is not alive", SOON, || async {
            match self.livez().await {
                (503, body) => Ok(body),
                alive => Err(alive),
            }
        })
        .await;
        assert_eq!(body["reasons"][0], reason, "{body}");
    }
}

/// A clock that panics once that is wanted.
fn clock() -> (WallClock, Arc<AtomicBool>) {
    let is_broken = Arc::<AtomicBool>::default();
    let broken = is_broken.clone();
    let clock = WallClock::new(move || {
        assert!(!broken.load(Ordering::Relaxed), "a defect");
        SystemTime::now()
    });
    (clock, is_broken)
}

async fn expect_ended(registry: &EdgeCacheRegistry) {
    until("a registry that does not run", SOON, || async {
        if registry.is_running() {
            Err(registry.status())
        } else {
            Ok(())
        }
    })
    .await;
}

#[tokio::test]
async fn a_background_task_that_panics_ends_liveness() {
    let builder = EdgeCacheRegistry::builder(reference_plugin().unwrap());
    let parts = Parts::new(builder.start().await.unwrap()).await;
    let (status, body) = parts.livez().await;
    assert_eq!(status, 200, "{body}");
    let task = async { panic!("a defect") };
    parts.stop.spawn("the task of this test", task);
    parts
        .expect_dead("the task of this test ended: see the log for a panic")
        .await;
}

#[tokio::test]
async fn a_writer_that_panics_ends_liveness() {
    let (clock, is_broken) = clock();
    let builder = EdgeCacheRegistry::builder(reference_plugin().unwrap());
    let registry = builder.clock(clock).start().await.unwrap();
    let parts = Parts::new(registry.clone()).await;
    registry.enable(7, disk(1)).await.unwrap();
    assert_eq!(parts.livez().await.0, 200);
    is_broken.store(true, Ordering::Relaxed);
    let lost = registry.enable(8, disk(1)).await;
    assert_eq!(lost, Err(EdgeCacheError::ShuttingDown));
    parts
        .expect_dead("a thread or a task of the registry has ended")
        .await;
    // Reads go on.
    assert!(registry.is_enabled(7));
}

#[tokio::test]
async fn placement_that_panics_ends_the_registry() {
    let (clock, is_broken) = clock();
    let settings = [("behaviour", "many-clocks@assess"), ("trigger", "1")];
    let config = PluginConfig {
        settings: settings.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        ..PluginConfig::default()
    };
    let plugin = Plugin::from_file(hostile().unwrap(), config).unwrap();
    is_broken.store(true, Ordering::Relaxed);
    let builder = EdgeCacheRegistry::builder(plugin).clock(clock);
    let registry = builder.standalone(PeerInfo::placeholder(1)).start().await;
    expect_ended(&registry.unwrap()).await;
}

fn runtime(configure: impl FnOnce(&mut Builder) -> &mut Builder) -> Runtime {
    configure(&mut Builder::new_multi_thread()).build().unwrap()
}

/// Without the clock of its runtime the task panics.
#[test]
fn an_exchange_of_decisions_that_panics_ends_the_registry() {
    let whole = runtime(Builder::enable_all);
    let pool = GossipPool::start(Settings::new(1, &[]).gossip);
    let pool = whole.block_on(pool).unwrap();
    let timeless = runtime(Builder::enable_io);
    let builder = EdgeCacheRegistry::builder(reference_plugin().unwrap());
    let registry = timeless.block_on(builder.gossip(pool).start()).unwrap();
    whole.block_on(expect_ended(&registry));
}

#[test]
fn a_follower_of_labels_that_ends_ends_the_registry() {
    let whole = runtime(Builder::enable_all);
    let other = runtime(Builder::enable_all);
    let builder = EdgeCacheRegistry::builder(reference_plugin().unwrap());
    let builder = builder.standalone(PeerInfo::placeholder(1));
    let registry = other.block_on(builder.start()).unwrap();
    assert!(registry.is_running());
    other.shutdown_background();
    whole.block_on(expect_ended(&registry));
}
