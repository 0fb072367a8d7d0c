//! A component that always fails: the registry stays up, says so, and keeps what it has.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use edge_cache_host::gossip::PeerInfo;
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheRegistry, EdgeCacheStats, Identity, NodeId, PluginState, Store};
use edge_cache_tests::cluster_of_one::{OWN, capacity, capacity_in, entries};
use edge_cache_tests::dummy::dummy;
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait;
use insta::{assert_debug_snapshot, assert_snapshot};

/// The restarts of a component that fails at once take 2 s in all.
const DEGRADED_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_component_that_always_traps_leaves_a_degraded_registry_that_answers() -> Result<()> {
    let registry = EdgeCacheRegistry::builder(trapping()?).start().await?;
    assert!(registry.is_running());
    degraded(&registry).await;
    assert_debug_snapshot!(registry.status(), @r#"
        Status {
            state: Degraded,
            restarts: 0,
            last_failure: Some(
                "load trapped: wasm trap: wasm `unreachable` instruction executed",
            ),
            store_failure: None,
        }
    "#);
    let enabled = registry.enable(OWN, capacity()).await.unwrap_err();
    assert_snapshot!(enabled, @"the plugin failed: load trapped: wasm trap: wasm `unreachable` instruction executed");
    let disabled = registry.disable(OWN).await.unwrap_err();
    assert_snapshot!(disabled, @"the plugin failed: load trapped: wasm trap: wasm `unreachable` instruction executed");
    assert!(registry.list_eligible().is_empty());
    assert!(!registry.is_enabled(OWN));
    assert_eq!(registry.stats(OWN), EdgeCacheStats::default());
    registry.shutdown().await;
    assert!(!registry.is_running());
    Ok(())
}

/// While there is hope for a fresh instance, a change waits for it, and no longer.
#[tokio::test]
async fn a_change_that_waits_for_a_restart_is_answered_when_there_is_none_any_more() -> Result<()> {
    let registry = EdgeCacheRegistry::builder(trapping()?).start().await?;
    assert_eq!(registry.status().state, PluginState::Restarting);
    let error = registry.enable(OWN, capacity()).await.unwrap_err();
    assert_snapshot!(error, @"the plugin failed: load trapped: wasm trap: wasm `unreachable` instruction executed");
    assert_eq!(registry.status().state, PluginState::Degraded);
    Ok(())
}

#[tokio::test]
async fn what_the_store_holds_is_shown_and_kept_while_the_component_fails() -> Result<()> {
    let data = tempfile::tempdir()?;
    let registry = start(reference_plugin()?, data.path()).await?;
    registry.enable(OWN, capacity_in("eu")).await?;
    registry.enable(7, capacity()).await?;
    let served = EdgeCacheStats { hits: 5, misses: 1 };
    registry.add_stats(7, served).await?;
    let before = entries(&registry);
    registry.shutdown().await;
    drop(registry);

    let registry = start(trapping()?, data.path()).await?;
    degraded(&registry).await;
    assert_eq!(entries(&registry), before);
    assert_eq!(registry.stats(7), served);
    // Peers still see what was announced before.
    assert!(registry.is_advertised(OWN));
    registry.enable(8, capacity()).await.unwrap_err();
    registry.disable(7).await.unwrap_err();
    assert_eq!(entries(&registry), before);
    registry.shutdown().await;
    drop(registry);

    let registry = start(reference_plugin()?, data.path()).await?;
    assert_eq!(entries(&registry), before);
    assert!(registry.is_advertised(OWN));
    registry.disable(7).await?;
    Ok(())
}

async fn degraded(registry: &EdgeCacheRegistry) {
    wait::until("the end of the restarts", DEGRADED_WITHIN, || async {
        let status = registry.status();
        if status.state == PluginState::Degraded {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
}

fn trapping() -> Result<Plugin> {
    Ok(Plugin::from_bytes(&dummy()?, PluginConfig::default())?)
}

async fn start(plugin: Plugin, data: &Path) -> Result<EdgeCacheRegistry> {
    let node_id: Option<NodeId> = Some(OWN);
    let cluster_id = "one".to_string();
    let store = Store::open(
        data,
        Identity {
            node_id,
            cluster_id,
        },
    )?;
    Ok(EdgeCacheRegistry::builder(plugin)
        .standalone(PeerInfo::placeholder(OWN))
        .store(store)
        .start()
        .await?)
}
