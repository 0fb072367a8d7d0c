//! The handle that an embedder holds: shared, stopped, dropped, and with more callers than its queue holds.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use anyhow::Result;
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{
    EdgeCacheError, EdgeCacheRegistry, EdgeCacheStats, Identity, Limits, NodeId, PluginState, Store,
};
use edge_cache_tests::cluster_of_one::{capacity, capacity_in};
use edge_cache_tests::component::reference_plugin_with;
use edge_cache_tests::dummy::dummy;
use edge_cache_tests::{reference_plugin, wait};
use insta::assert_snapshot;
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_handle_can_be_shared_and_printed() -> Result<()> {
    fn shared<T: Clone + Debug + Send + Sync + 'static>(handle: &T) -> T {
        handle.clone()
    }
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .start()
        .await?;
    let other = shared(&registry);
    other.enable(3, capacity()).await?;
    assert!(registry.is_enabled(3));
    let text = format!("{registry:?}");
    assert!(
        text.starts_with("EdgeCacheRegistry { nodes: 1, plugin: "),
        "{text}"
    );
    assert!(text.ends_with(", gossip_attached: false, .. }"), "{text}");
    Ok(())
}

#[tokio::test]
async fn after_a_shutdown_changes_are_refused_and_reads_go_on() -> Result<()> {
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .start()
        .await?;
    let node = registry.enable(3, capacity()).await?;
    registry.shutdown().await;
    assert!(!registry.is_running());
    let zero = EdgeCacheStats::default();
    assert_snapshot!(registry.enable(4, capacity()).await.unwrap_err(), @"the registry is shutting down");
    assert_eq!(registry.disable(3).await, Err(EdgeCacheError::ShuttingDown));
    assert_eq!(
        registry.add_stats(3, zero).await,
        Err(EdgeCacheError::ShuttingDown)
    );
    assert_eq!(registry.list_eligible().to_vec(), [node]);
    // A second one finds nothing to wait for.
    registry.shutdown().await;
    Ok(())
}

/// Queued changes are made; later ones are refused with an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_wait_at_a_shutdown_are_made() -> Result<()> {
    let data = tempfile::tempdir()?;
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .store(store(data.path())?)
        .start()
        .await?;
    let mut callers = JoinSet::new();
    for node_id in 0..64 {
        let registry = registry.clone();
        callers.spawn(async move { (node_id, registry.enable(node_id, capacity()).await) });
    }
    wait::until("some change", SOON, || async {
        if registry.queue_depth() > 0 || !registry.list_eligible().is_empty() {
            Ok(())
        } else {
            Err(())
        }
    })
    .await;
    registry.shutdown().await;
    let answers = callers.join_all().await;
    assert_eq!(answers.len(), 64);
    for (node_id, answer) in answers {
        assert_eq!(answer.is_ok(), registry.is_enabled(node_id), "{answer:?}");
        assert!(
            matches!(answer, Ok(_) | Err(EdgeCacheError::ShuttingDown)),
            "{answer:?}"
        );
    }
    Ok(())
}

/// With a store, whose sync takes time, the first look at a change finds it still under way.
#[tokio::test]
async fn a_caller_that_goes_away_does_not_cancel_its_change() -> Result<()> {
    let data = tempfile::tempdir()?;
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .store(store(data.path())?)
        .start()
        .await?;
    let mut left = 0;
    for node_id in 0..10 {
        let mut change = pin!(registry.enable(node_id, capacity()));
        let answered = poll_fn(|cx| Poll::Ready(change.as_mut().poll(cx).is_ready())).await;
        left += usize::from(!answered);
    }
    assert!(left > 0, "every change was answered at once");
    wait::until("the changes of callers that went away", SOON, || async {
        let made = registry.list_eligible().len();
        if made == 10 { Ok(()) } else { Err(made) }
    })
    .await;
    Ok(())
}

/// A component that is being started again holds the writer, and so the only place in the queue.
#[tokio::test]
async fn a_full_queue_answers_busy() -> Result<()> {
    let config = PluginConfig {
        limits: Limits {
            queue: 1,
            queue_wait: Duration::from_millis(20),
            ..Limits::default()
        },
        ..PluginConfig::default()
    };
    let plugin = Plugin::from_bytes(&dummy()?, config)?;
    let registry = EdgeCacheRegistry::builder(plugin).start().await?;
    assert_eq!(registry.status().state, PluginState::Restarting);
    let mut waiting = pin!(registry.enable(1, capacity()));
    let answered = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
    assert!(!answered);
    assert_eq!(registry.queue_depth(), 1);
    assert_snapshot!(registry.enable(2, capacity()).await.unwrap_err(), @"the registry is busy: the queue of 1 changes stayed full for 20 ms; try again");
    Ok(())
}

#[tokio::test]
async fn a_full_registry_refuses_new_nodes_only() -> Result<()> {
    let plugin = reference_plugin_with(PluginConfig {
        limits: Limits {
            nodes_max: 2,
            ..Limits::default()
        },
        ..PluginConfig::default()
    })?;
    let registry = EdgeCacheRegistry::builder(plugin).start().await?;
    registry.enable(1, capacity()).await?;
    registry.enable(2, capacity()).await?;
    assert_snapshot!(registry.enable(3, capacity()).await.unwrap_err(), @"the registry is full: 2 nodes are enabled, which is `limits.nodes_max`; disable one first, or raise it on all agents");
    let again = registry.enable(2, capacity_in("eu")).await?;
    assert_eq!(again.capacity, capacity_in("eu"));
    registry.disable(1).await?;
    registry.enable(3, capacity()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_are_all_answered() -> Result<()> {
    const CALLERS: u64 = 64;
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .start()
        .await?;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let registry = registry.clone();
        callers.spawn(async move {
            registry.enable(caller, capacity()).await?;
            let one = EdgeCacheStats { hits: 1, misses: 2 };
            // All count for node 0, as soon as it is there.
            while registry.add_stats(0, one).await == Err(EdgeCacheError::NodeNotFound(0)) {
                tokio::task::yield_now().await;
            }
            if caller % 2 == 1 {
                registry.disable(caller).await?;
            }
            Ok::<_, EdgeCacheError>(caller)
        });
    }
    let answered: BTreeSet<u64> = callers
        .join_all()
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    assert_eq!(answered, (0..CALLERS).collect());
    let left: Vec<NodeId> = registry
        .list_eligible()
        .iter()
        .map(|node| node.node_id)
        .collect();
    assert_eq!(left, (0..CALLERS).step_by(2).collect::<Vec<_>>());
    let totals = EdgeCacheStats {
        hits: CALLERS,
        misses: 2 * CALLERS,
    };
    assert_eq!(registry.stats(0), totals);
    Ok(())
}

#[tokio::test]
async fn a_list_taken_earlier_stays_as_it_was() -> Result<()> {
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .start()
        .await?;
    let first = registry.enable(1, capacity()).await?;
    let second = registry.enable(2, capacity()).await?;
    let list = registry.list_eligible();
    registry.disable(1).await?;
    registry.enable(2, capacity_in("eu")).await?;
    registry.enable(3, capacity()).await?;
    assert_eq!(list.to_vec(), [first, second]);
    assert_eq!(registry.list_eligible().len(), 2);
    Ok(())
}

/// The writer's thread holds the store until it ends.
#[tokio::test]
async fn the_writer_ends_with_the_last_handle() -> Result<()> {
    let data = tempfile::tempdir()?;
    let registry = EdgeCacheRegistry::builder(reference_plugin()?)
        .store(store(data.path())?)
        .start()
        .await?;
    let last = registry.clone();
    drop(registry);
    last.enable(1, capacity()).await?;
    assert!(store(data.path()).is_err());
    drop(last);
    wait::until("the end of the writer", SOON, || async {
        store(data.path())
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
    Ok(())
}

fn store(data: &std::path::Path) -> Result<Store> {
    let identity = Identity {
        node_id: None,
        cluster_id: "one".to_string(),
    };
    Ok(Store::open(data, identity)?)
}
