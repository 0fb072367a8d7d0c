//! Publication of the own node's counters in gossip, by which all agents show them.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

use crate::state::RegistryState;
use crate::view::View;
use edge_cache_core::{NodeId, PublishedStats, ms_of};
use edge_cache_gossip::GossipPool;

/// The least time between two published totals.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(10);

/// Publishes the totals whenever they have changed, and withdraws them while the node is not registered. Ends with the
/// registry.
pub(super) async fn publish(
    pool: &GossipPool,
    state: &RegistryState,
    mut changed: watch::Receiver<()>,
) {
    let mut published = None;
    loop {
        let totals = totals(&state.view.load(), pool.node_id());
        if totals != published {
            pool.publish_stats(totals);
            published = totals;
            time::sleep(PUBLISH_INTERVAL).await;
        } else if changed.changed().await.is_err() {
            return;
        }
    }
}

fn totals(view: &View, own: NodeId) -> Option<PublishedStats> {
    let entry = view.entries.get(own)?;
    Some(PublishedStats {
        enabled_at_ms: ms_of(entry.node.enabled_at),
        hits: entry.stats.hits,
        misses: entry.stats.misses,
    })
}
