//! A state that its component can't take: the entry that is to blame is set aside, and the registry says why. Without a
//! node it is degraded.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheError, EdgeCacheRegistry, Identity, PluginState, Store};
use edge_cache_tests::cluster_of_one::{ClusterOfOne, capacity};
use edge_cache_tests::component::hostile;
use edge_cache_tests::{reference_plugin, wait};
use insta::assert_snapshot;

use super::{ONE, OTHER, OWN, TRIGGER, check_memory, hasty, misbehave, node, plugin};

/// The restarts of a component that hangs take 4 s in all.
const DEGRADED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_fresh_instance_that_can_not_be_loaded() -> Result<()> {
    // They mostly wait, so they do it together.
    let (hangs, traps, refuses) = tokio::try_join!(
        lost("loop@load,trap@add-stats"),
        lost("trap@load,trap@add-stats"),
        lost("surroundings@load,trap@add-stats"),
    )?;
    assert_snapshot!(hangs, @"load ran for longer than 250 ms, the limit `load_deadline`");
    assert_snapshot!(traps, @"load trapped: wasm trap: wasm `unreachable` instruction executed");
    assert_snapshot!(refuses, @"environment [], arguments [], working directory None, folders [], input Err(StreamError::Closed)");
    Ok(())
}

#[tokio::test]
async fn a_fresh_instance_that_lists_what_is_not_so() -> Result<()> {
    let (twice, unsorted, forgotten) = tokio::try_join!(
        lost("twice@list-eligible,trap@add-stats"),
        lost("unsorted@list-eligible,trap@add-stats"),
        lost("forgotten@list-eligible,trap@add-stats"),
    )?;
    assert_snapshot!(twice, @"list-eligible broke the contract: node 666 is listed twice");
    assert_snapshot!(unsorted, @"list-eligible broke the contract: node 7 is listed after node 666, the list must be ascending");
    assert_snapshot!(forgotten, @"list-eligible broke the contract: it lists other entries than it was loaded with");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_loaded_here_before_loses_entries_at_a_start_too() -> Result<()> {
    let data = tempfile::tempdir()?;
    let open = || {
        let identity = Identity {
            node_id: Some(OWN),
            cluster_id: "test".to_string(),
        };
        Store::open(data.path(), identity)
    };
    let plugin = plugin("trap@load", hasty())?;
    let node = ClusterOfOne::start_on(plugin.clone(), BTreeMap::new(), open()?).await?;
    for node_id in [OWN, OTHER, TRIGGER] {
        node.registry.enable(node_id, capacity()).await?;
    }
    node.registry.shutdown().await;
    drop(node);

    let node = ClusterOfOne::start_on(plugin.clone(), BTreeMap::new(), open()?).await?;
    assert_eq!(node.registry.status().state, PluginState::Running);
    assert_snapshot!(reason(&node.registry), @"load trapped: wasm trap: wasm `unreachable` instruction executed");
    // At a swap as well.
    node.registry.enable(TRIGGER, capacity()).await?;
    node.registry.swap(plugin).await?;
    assert!(!node.registry.is_enabled(TRIGGER) && node.registry.is_enabled(OTHER));
    reason(&node.registry);
    // The same plugin with other settings has not loaded here.
    node.registry.enable(TRIGGER, capacity()).await?;
    let other = self::plugin("trap@load,trap@stats", hasty())?;
    node.registry.swap(other).await.unwrap_err();
    node.registry.swap(reference_plugin()?).await?;
    assert!(node.registry.is_enabled(TRIGGER));
    Ok(())
}

#[tokio::test]
async fn no_entry_is_lost_where_the_labels_of_the_own_node_would_change() -> Result<()> {
    let bytes = std::fs::read(hostile()?)?;
    let settings = [("behaviour", "trap@load,trap@add-stats"), ("trigger", "1")];
    let config = PluginConfig {
        settings: settings.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        ..PluginConfig::default()
    };
    let plugin = Plugin::from_bytes(&bytes, config)?;
    let node = ClusterOfOne::start(plugin, BTreeMap::new()).await?;
    node.registry.enable(OWN, capacity()).await?;
    node.registry.enable(OTHER, capacity()).await?;
    let before = node.shown().await?;
    node.registry.add_stats(OWN, ONE).await.unwrap_err();
    wait::until("the end of the restarts", DEGRADED_WITHIN, || async {
        match node.registry.status().state {
            PluginState::Degraded => Ok(()),
            state => Err(state),
        }
    })
    .await;
    assert_eq!(node.shown().await?, before);
    assert_eq!(node.registry.set_aside(), []);
    Ok(())
}

/// Returns why the trigger's decision is set aside; no other is.
fn reason(registry: &EdgeCacheRegistry) -> String {
    let set_aside = registry.set_aside();
    let [effective] = &set_aside[..] else {
        panic!("{set_aside:?}");
    };
    assert_eq!(effective.decision.node_id, TRIGGER);
    effective.set_aside.as_ref().unwrap().to_string()
}

/// Returns why the trigger is set aside. All others stay as they are, and changes go on.
async fn lost(behaviour: &str) -> Result<String> {
    let node = node(behaviour, hasty()).await?;
    let mut before = node.shown().await?;
    let error = misbehave(&node.registry, behaviour).await.unwrap_err();
    assert!(matches!(error, EdgeCacheError::PluginFailed(_)), "{error}");
    before.entries.retain(|entry| entry.node.node_id != TRIGGER);
    wait::until("the loss", DEGRADED_WITHIN, || async {
        match node.registry.is_enabled(TRIGGER) {
            false => Ok(()),
            true => Err(node.registry.status()),
        }
    })
    .await;
    let reason = reason(&node.registry);
    assert_eq!(node.registry.status().state, PluginState::Running);
    assert_eq!(node.shown().await?, before, "{behaviour}");
    node.registry.enable(TRIGGER + 1, capacity()).await?;
    check_memory()?;
    Ok(reason)
}
