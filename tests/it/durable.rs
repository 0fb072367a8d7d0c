//! The registry with a store: what is acknowledged is there after reopening, and nothing else is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use edge_cache_host::gossip::PeerInfo;
use edge_cache_host::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheRegistry, EdgeCacheStats, Identity, NodeCapacity,
    NodeId, Store, StoreError,
};
use edge_cache_tests::cluster_of_one::{ClusterOfOne, OWN, capacity, capacity_in, entries, labels};
use edge_cache_tests::prometheus::Scrape;
use edge_cache_tests::small_disk::SmallDisk;
use edge_cache_tests::{reference_plugin, wait};
use insta::{assert_debug_snapshot, assert_snapshot};
use tokio::task::JoinSet;

/// The store is opened again after 200 ms, and later at least every 5 s.
const OPEN_AGAIN_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn entries_counters_and_labels_are_there_after_reopening() -> Result<()> {
    let data = tempfile::tempdir()?;
    let registry = start(data.path()).await?;
    registry.enable(OWN, capacity_in("eu")).await?;
    registry.enable(7, capacity()).await?;
    registry.enable(8, capacity()).await?;
    registry.disable(8).await?;
    registry
        .add_stats(7, EdgeCacheStats { hits: 5, misses: 1 })
        .await?;
    let before = entries(&registry);
    stop(registry).await;

    let store = open(data.path())?;
    assert_debug_snapshot!(store.own_labels(), @r#"
        {
            "edge_cache": "true",
            "edge_cache_cpu": "8",
            "edge_cache_disk_mib": "102400",
            "edge_cache_geo": "eu",
            "edge_cache_ram_mib": "16384",
        }
    "#);
    drop(store);
    let registry = start(data.path()).await?;
    assert_eq!(entries(&registry), before);
    assert!(registry.is_advertised(OWN));
    // The component has them too: it adds to what was there.
    let totals = registry
        .add_stats(7, EdgeCacheStats { hits: 1, misses: 0 })
        .await?;
    assert_eq!(totals, EdgeCacheStats { hits: 6, misses: 1 });
    assert_eq!(
        registry.disable(8).await,
        Err(EdgeCacheError::NodeNotFound(8))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_share_their_commits() -> Result<()> {
    const CALLERS: u64 = 64;
    const ROUNDS: u64 = 20;
    let data = tempfile::tempdir()?;
    let registry = start(data.path()).await?;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let registry = registry.clone();
        callers.spawn(async move {
            for _ in 0..ROUNDS {
                registry.enable(caller, capacity()).await?;
            }
            Ok::<_, EdgeCacheError>(())
        });
    }
    for answer in callers.join_all().await {
        answer?;
    }
    // The last batch is counted just after its last answer.
    let metrics = wait::until("all changes to be counted", OPEN_AGAIN_WITHIN, || async {
        let metrics = Scrape::of(&registry).unwrap();
        if metrics.value("edge_cache_batch_changes_sum") == (CALLERS * ROUNDS) as f64 {
            Ok(metrics)
        } else {
            Err(metrics)
        }
    })
    .await;
    let batches = metrics.value("edge_cache_batch_changes_count");
    assert!(batches <= (4 * ROUNDS) as f64, "{batches}");
    Ok(())
}

#[tokio::test]
async fn a_data_directory_that_can_not_be_written_is_named_and_left_alone() -> Result<()> {
    let Some(disk) = SmallDisk::mount(4096)? else {
        return Ok(());
    };
    let registry = start(disk.path()).await?;
    registry.enable(OWN, capacity()).await?;
    stop(registry).await;
    let file = disk.path().join("registry.redb");
    let before = fs::read(&file)?;
    disk.make_read_only()?;

    let error = anyhow::Error::from(open(disk.path()).unwrap_err());
    let text = format!("{error:#}").replace(&disk.path().display().to_string(), "DATA");
    assert_snapshot!(text, @"cannot write to DATA/lock: Read-only file system (os error 30)");
    assert!(fs::read(&file)? == before, "the file has changed");
    Ok(())
}

#[tokio::test]
async fn a_change_that_a_full_disk_refuses_is_undone() -> Result<()> {
    let Some(disk) = SmallDisk::mount(4096)? else {
        return Ok(());
    };
    let registry = start(disk.path()).await?;
    let mut acknowledged = Acknowledged::default();
    acknowledged.enable(&registry, OWN, capacity()).await?;
    disk.fill()?;

    let (refused, error) = acknowledged.enable_until_refused(&registry).await?;
    let text = error.to_string();
    assert_snapshot!(text, @"the store failed: a transaction failed: I/O error: No space left on device (os error 28)");
    assert_eq!(acknowledged.nodes(), registry.list_eligible().to_vec());
    assert!(registry.is_advertised(OWN));

    disk.free()?;
    // The component, too, has forgotten the node that was refused; and changes are taken again.
    wait::until("the store to open again", OPEN_AGAIN_WITHIN, || async {
        match registry.disable(refused).await {
            Err(EdgeCacheError::NodeNotFound(_)) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    acknowledged
        .enable(&registry, OWN, capacity_in("us"))
        .await?;
    acknowledged.enable(&registry, refused, capacity()).await?;
    assert!(registry.is_advertised(OWN));
    stop(registry).await;

    let registry = start(disk.path()).await?;
    assert_eq!(acknowledged.nodes(), registry.list_eligible().to_vec());
    stop(registry).await;
    Ok(())
}

/// The first commit of a start remembers that the plugin has loaded.
#[tokio::test]
async fn a_store_is_open_again_after_a_write_and_holds_everything() -> Result<()> {
    let Some(disk) = SmallDisk::mount(4096)? else {
        return Ok(());
    };
    let store = open(disk.path())?;
    disk.fill()?;
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .standalone(PeerInfo::placeholder(OWN))
        .store(store)
        .start()
        .await?;
    wait::until("three failures", OPEN_AGAIN_WITHIN, || async {
        let failures = registry.metrics().store_failures.get();
        let status = registry.status();
        if failures >= 3 {
            Ok(())
        } else {
            Err((failures, status))
        }
    })
    .await;
    assert!(registry.status().store_failure.is_some());

    disk.free()?;
    wait::until("the store to open again", OPEN_AGAIN_WITHIN, || async {
        match registry.status().store_failure {
            None => Ok(()),
            Some(reason) => Err(reason),
        }
    })
    .await;
    let policy = registry.plugin().policy();
    stop(registry).await;
    let content = fs::read(disk.path().join("registry.redb"))?;
    let content = String::from_utf8_lossy(&content);
    assert!(content.contains(&policy), "it forgets what has loaded");
    Ok(())
}

/// The labels of the change were published by the component before its commit failed.
#[tokio::test]
async fn labels_of_a_change_that_a_full_disk_refuses_are_not_shown() -> Result<()> {
    let Some(disk) = SmallDisk::mount(4096)? else {
        return Ok(());
    };
    let foreign = labels([("rack", "b4")]);
    let node = ClusterOfOne::start_on(reference_plugin()?, foreign, open(disk.path())?).await?;
    node.registry.enable(OWN, capacity_in("eu")).await?;
    disk.fill()?;
    let (before, error) = loop {
        let before = node.shown().await?;
        let next = larger(&node.registry);
        if let Err(error) = node.registry.enable(OWN, next).await {
            break (before, error);
        }
    };
    assert!(matches!(error, EdgeCacheError::StoreFailed(_)), "{error:?}");
    assert_eq!(node.shown().await?, before);
    let error = node.registry.disable(OWN).await.unwrap_err();
    assert!(matches!(error, EdgeCacheError::StoreFailed(_)), "{error:?}");
    assert_eq!(node.shown().await?, before);
    node.registry.shutdown().await;
    drop(node);

    disk.free()?;
    let registry = start(disk.path()).await?;
    assert_eq!(entries(&registry), before.entries);
    stop(registry).await;
    Ok(())
}

/// Changes that the registry acknowledged.
#[derive(Debug, Default)]
struct Acknowledged(BTreeMap<NodeId, EdgeCacheNode>);

impl Acknowledged {
    async fn enable(
        &mut self,
        registry: &EdgeCacheRegistry,
        node_id: NodeId,
        capacity: NodeCapacity,
    ) -> Result<(), EdgeCacheError> {
        let node = registry.enable(node_id, capacity).await?;
        self.0.insert(node_id, node);
        Ok(())
    }

    /// A file that has free pages takes some changes on a full disk too.
    async fn enable_until_refused(
        &mut self,
        registry: &EdgeCacheRegistry,
    ) -> Result<(NodeId, EdgeCacheError)> {
        for node_id in 1_000..20_000 {
            match self.enable(registry, node_id, capacity_in("eu")).await {
                Ok(()) => {}
                Err(error) => return Ok((node_id, error)),
            }
        }
        anyhow::bail!("a full disk took everything")
    }

    fn nodes(&self) -> Vec<EdgeCacheNode> {
        self.0.values().cloned().collect()
    }
}

/// A capacity that differs from the one that the own node has.
fn larger(registry: &EdgeCacheRegistry) -> NodeCapacity {
    let disk_mib = registry
        .entry(OWN)
        .map_or(0, |entry| entry.node.capacity.disk_mib)
        .saturating_add(1_024);
    NodeCapacity {
        disk_mib,
        ..capacity_in("eu")
    }
}

fn open(data: &Path) -> Result<Store, StoreError> {
    let identity = Identity {
        node_id: Some(OWN),
        cluster_id: "one".to_string(),
    };
    Store::open(data, identity)
}

async fn start(data: &Path) -> Result<EdgeCacheRegistry> {
    Ok(EdgeCacheRegistry::builder(reference_plugin()?)
        .standalone(PeerInfo::placeholder(OWN))
        .store(open(data)?)
        .start()
        .await?)
}

/// Ends the writer, and with it the hold on the data directory.
async fn stop(registry: EdgeCacheRegistry) {
    registry.shutdown().await;
    drop(registry);
}
