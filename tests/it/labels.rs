//! Labels that may not be published, and labels of other software, from the caller's end to what the
//! cluster sees.
//!
//! A change whose labels are refused is refused as a whole: with the gossip error, and with every entry,
//! counter and shown label as it was.

use anyhow::{Result, bail};
use edge_cache_host::gossip::PeerInfo;
use edge_cache_host::labels::{LabelGrants, Labels};
use edge_cache_host::sandbox::PluginConfig;
use edge_cache_host::{
    EdgeCacheError, EdgeCacheRegistry, EdgeCacheStats, LabelLimits, Limits, NodeCapacity, NodeId,
};
use edge_cache_tests::cluster_of_one::{ClusterOfOne, OWN, capacity, capacity_in, entries, labels};
use edge_cache_tests::component::reference_plugin_with;
use edge_cache_tests::reference_plugin;
use insta::{assert_debug_snapshot, assert_snapshot};

/// A node that is not the agent's own.
const OTHER: NodeId = 7;

#[tokio::test]
async fn more_labels_than_allowed_refuse_the_change() -> Result<()> {
    let node = start_with(LabelLimits {
        count: 4,
        ..LabelLimits::default()
    })
    .await?;
    assert_snapshot!(refused(&node, OWN, capacity_in("eu")).await?, @"gossip label push failed: denied: more than 4 labels for a node, the limit `labels.count`");
    Ok(())
}

#[tokio::test]
async fn a_value_over_the_limit_refuses_the_change() -> Result<()> {
    let node = start_with(LabelLimits {
        value_bytes: 6,
        ..LabelLimits::default()
    })
    .await?;
    assert_snapshot!(refused(&node, OWN, capacity_in("eu-central")).await?, @"gossip label push failed: larger than the limit of 6 bytes");
    Ok(())
}

#[tokio::test]
async fn labels_over_the_limit_of_a_node_refuse_the_change() -> Result<()> {
    let node = start_with(LabelLimits {
        node_bytes: 100,
        ..LabelLimits::default()
    })
    .await?;
    assert_snapshot!(refused(&node, OWN, capacity_in("eu-central-with-a-long-name")).await?, @"gossip label push failed: larger than the limit of 100 bytes");
    Ok(())
}

/// The labels of another node are not published here, but its agent would have to.
#[tokio::test]
async fn labels_of_another_node_are_held_to_the_same_limits() -> Result<()> {
    let node = start_with(LabelLimits {
        count: 4,
        ..LabelLimits::default()
    })
    .await?;
    assert_snapshot!(refused(&node, OTHER, capacity_in("eu")).await?, @"gossip label push failed: denied: more than 4 labels for a node, the limit `labels.count`");
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_not_granted_refuses_the_change() -> Result<()> {
    let plugin = reference_plugin_with(PluginConfig {
        labels: LabelGrants::from_iter(["cdn"]),
        ..PluginConfig::default()
    })?;
    let node = ClusterOfOne::start(plugin, labels([("rack", "b4")])).await?;
    let before = node.shown().await?;
    let error = node.registry.enable(OWN, capacity()).await.unwrap_err();
    assert_snapshot!(error, @"gossip label push failed: denied: key `edge_cache` is not granted; granted are `cdn` and `cdn_*`");
    assert_eq!(node.shown().await?, before);
    assert_eq!(
        node.registry.disable(OWN).await,
        Err(EdgeCacheError::NodeNotFound(OWN))
    );
    Ok(())
}

#[tokio::test]
async fn a_key_that_other_software_has_set_refuses_the_change() -> Result<()> {
    let foreign = labels([("edge_cache_geo", "set by hand")]);
    let node = ClusterOfOne::start(reference_plugin()?, foreign).await?;
    assert_snapshot!(refused(&node, OWN, capacity_in("eu")).await?, @"gossip label push failed: denied: key `edge_cache_geo` is set by other software on this node");
    assert_eq!(
        node.labels()
            .await?
            .get("edge_cache_geo")
            .map(String::as_str),
        Some("set by hand")
    );
    Ok(())
}

#[tokio::test]
async fn a_node_on_its_own_refuses_a_key_of_other_software_too() -> Result<()> {
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .standalone(PeerInfo {
            labels: labels([("edge_cache", "no")]),
            ..PeerInfo::placeholder(OWN)
        })
        .start()
        .await?;
    registry.enable(OTHER, capacity_in("eu")).await?;
    let before = entries(&registry);
    let error = registry.enable(OWN, capacity()).await.unwrap_err();
    assert_snapshot!(error, @"gossip label push failed: denied: key `edge_cache` is set by other software on this node");
    assert_eq!(entries(&registry), before);
    assert!(!registry.is_advertised(OWN));
    Ok(())
}

#[tokio::test]
async fn enabling_another_node_changes_nothing_in_the_own_labels() -> Result<()> {
    let node = ClusterOfOne::start(reference_plugin()?, labels([("rack", "b4")])).await?;
    node.registry.enable(OWN, capacity()).await?;
    let before = node.labels().await?;
    node.registry.enable(OTHER, capacity_in("us")).await?;
    assert_eq!(node.labels().await?, before);
    node.registry.disable(OTHER).await?;
    assert_eq!(node.labels().await?, before);
    Ok(())
}

#[tokio::test]
async fn labels_of_other_software_stay_while_those_of_the_component_come_and_go() -> Result<()> {
    let foreign = labels([("rack", "b4"), ("zone", "north")]);
    let node = ClusterOfOne::start(reference_plugin()?, foreign.clone()).await?;
    assert_eq!(node.labels().await?, foreign);
    node.registry.enable(OWN, capacity_in("eu")).await?;
    assert_debug_snapshot!(node.labels().await?, @r#"
        {
            "edge_cache": "true",
            "edge_cache_cpu": "8",
            "edge_cache_disk_mib": "102400",
            "edge_cache_geo": "eu",
            "edge_cache_ram_mib": "16384",
            "rack": "b4",
            "zone": "north",
        }
    "#);
    assert!(node.registry.is_advertised(OWN));
    node.registry.enable(OWN, capacity()).await?;
    assert!(!node.labels().await?.contains_key("edge_cache_geo"));
    node.registry.disable(OWN).await?;
    assert_eq!(node.labels().await?, foreign);
    assert!(!node.registry.is_advertised(OWN));
    Ok(())
}

async fn start_with(limits: LabelLimits) -> Result<ClusterOfOne> {
    let plugin = reference_plugin_with(PluginConfig {
        limits: Limits {
            labels: limits,
            ..Limits::default()
        },
        ..PluginConfig::default()
    })?;
    ClusterOfOne::start(plugin, Labels::new()).await
}

/// A host without gossip cannot announce labels, so it refuses them as unavailable.
#[tokio::test]
async fn labels_are_unavailable_after_gossip_has_stopped() -> Result<()> {
    let node = start_with(LabelLimits::default()).await?;
    node.registry.enable(OWN, capacity()).await?;
    let before = entries(&node.registry);
    node.pool.shutdown().await;
    for wanted in [OWN, OTHER] {
        let error = node.registry.enable(wanted, capacity_in("eu")).await;
        assert_eq!(
            error.unwrap_err().to_string(),
            "gossip label push failed: unavailable: gossip has stopped, so labels cannot be announced"
        );
        assert_eq!(entries(&node.registry), before);
    }
    assert_eq!(node.registry.status().restarts, 0);
    Ok(())
}

/// Enables both nodes with what fits and counts for them; then asks for what does not fit, and answers its
/// error when nothing else has come of it.
async fn refused(node: &ClusterOfOne, node_id: NodeId, wanted: NodeCapacity) -> Result<String> {
    let served = EdgeCacheStats { hits: 3, misses: 2 };
    for known in [OWN, OTHER] {
        node.registry.enable(known, capacity()).await?;
        node.registry.add_stats(known, served).await?;
    }
    let before = node.shown().await?;
    let error = match node.registry.enable(node_id, wanted).await {
        Ok(node) => bail!("it was accepted: {node:?}"),
        Err(error) => error,
    };
    assert!(matches!(error, EdgeCacheError::Gossip(_)), "{error:?}");
    assert_eq!(node.shown().await?, before);
    // The component itself goes on from where it was, too.
    let zero = EdgeCacheStats::default();
    assert_eq!(node.registry.add_stats(node_id, zero).await?, served);
    assert_eq!(node.registry.status().restarts, 0);
    Ok(error.to_string())
}
