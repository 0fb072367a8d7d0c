//! A plugin of two components with two memories, whose adapters wasmtime makes: with every setting of the engine.

use anyhow::Result;
use edge_cache_host::sandbox::{Plugin, PluginConfig, PluginFile};
use edge_cache_host::{EdgeCacheRegistry, PluginState};
use edge_cache_tests::agent::compiler;
use edge_cache_tests::cluster_of_one::{ClusterOfOne, OWN, capacity_in, labels};
use edge_cache_tests::component::reference_bytes;
use edge_cache_tests::composed::{RELAYS, THROWS, composed};
use edge_cache_tests::plugin_tools::report;
use edge_cache_tests::reference_plugin;
use insta::assert_snapshot;

async fn plugin(relay: &str) -> Result<Plugin> {
    let file = PluginFile::new("composed", composed(reference_bytes()?, relay)?);
    Ok(Plugin::load_in_child(file, PluginConfig::default(), &compiler()?).await?)
}

#[tokio::test]
async fn it_takes_over_and_decides_like_its_only_part() -> Result<()> {
    let node =
        ClusterOfOne::start(reference_plugin()?, labels([("edge_cache_rack", "b4")])).await?;
    let registry = &node.registry;
    registry.enable(OWN, capacity_in("eu")).await?;
    registry.enable(7, capacity_in("us")).await?;
    let before = node.shown().await?;
    registry.swap(plugin(RELAYS).await?).await?;
    assert_eq!(node.shown().await?, before);
    // Its labels pass through both memories.
    registry.disable(OWN).await?;
    registry.enable(OWN, capacity_in("ap")).await?;
    let composed = node.labels().await?;
    assert_ne!(composed, before.labels);
    registry.swap(reference_plugin()?).await?;
    registry.disable(OWN).await?;
    registry.enable(OWN, capacity_in("ap")).await?;
    assert_eq!(node.labels().await?, composed);
    assert_eq!(registry.status().restarts, 0);
    Ok(())
}

#[test]
fn it_passes_all_checks() -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), composed(reference_bytes()?, RELAYS)?)?;
    let told = report("check", file.path(), &[])?;
    assert!(told.is_good, "{}", told.text);
    Ok(())
}

/// An exception that leaves one part is not seen by the other.
#[tokio::test]
async fn an_exception_between_its_parts_ends_the_call() -> Result<()> {
    let registry = EdgeCacheRegistry::builder(plugin(THROWS).await?)
        .start()
        .await?;
    assert_eq!(registry.status().state, PluginState::Running);
    assert_snapshot!(registry.enable(OWN, capacity_in("eu")).await.unwrap_err(), @"the plugin failed: enable trapped: it threw an exception that it did not catch: an export must catch its own and return an error");
    registry.swap(reference_plugin()?).await?;
    registry.enable(OWN, capacity_in("eu")).await?;
    Ok(())
}
