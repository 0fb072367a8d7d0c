//! Record of everything that the members of a simulated cluster see, from their first moment on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edge_cache_host::NodeId;
use edge_cache_host::gossip::{DecisionId, PeerInfo, Peers, TopologyEvent, TopologyEvents};
use tokio::time::Instant;

use super::LIFE;

/// A node that was said to have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// Time of the observation.
    pub at: Instant,
    /// Observing node.
    pub by: NodeId,
    /// About whom.
    pub of: NodeId,
    /// Set if that node ran.
    pub ran: bool,
}

/// All that was seen by anybody.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) start: Instant,
    pub(super) seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) running: BTreeSet<NodeId>,
    pub(super) departures: Vec<Departure>,
    pub(super) wrongs: Vec<String>,
}

/// Rank of a record: the life, and the decision that its labels follow from. A later decision may name less, since the
/// clock of its agent may have been ahead.
type Rank = (u32, Option<DecisionId>);

/// Watches what one member sees, for the whole of its life.
pub(super) async fn follow(witness: Arc<Witness>, by: NodeId, mut events: TopologyEvents) {
    let mut ranks: BTreeMap<NodeId, Rank> = BTreeMap::new();
    while let Some(event) = events.next().await {
        let mut seen = witness.seen();
        let at = Instant::now();
        if !is_ascending(events.snapshot()) || events.snapshot().get(by).is_some() {
            let list: Vec<_> = events.snapshot().iter().map(|peer| peer.node_id).collect();
            seen.wrongs.push(format!("node {by} lists {list:?}"));
        }
        match event {
            TopologyEvent::Left { node_id } | TopologyEvent::Failed { node_id } => {
                let ran = seen.running.contains(&node_id);
                seen.departures.push(Departure {
                    at,
                    by,
                    of: node_id,
                    ran,
                });
                drop(seen);
                let ran = if ran { ", which runs" } else { "" };
                witness.tell(&format_args!("node {by} misses node {node_id}{ran}"));
            }
            TopologyEvent::Joined(info) | TopologyEvent::Updated(info) => {
                let before = ranks.get(&info.node_id).copied().unwrap_or_default();
                let now = rank(&info, before);
                if now < before {
                    let at = at - witness.start;
                    seen.wrongs.push(format!(
                        "after {at:?} node {by} sees {now:?} of node {} after {before:?}",
                        info.node_id
                    ));
                }
                ranks.insert(info.node_id, now.max(before));
            }
        }
    }
}

/// Returns the rank of a record. A node that withholds its labels names no decision.
fn rank(info: &PeerInfo, before: Rank) -> Rank {
    let life = info.labels.get(LIFE).and_then(|life| life.parse().ok());
    let life = life.unwrap_or_default();
    let follows = info.agent.as_ref().and_then(|agent| agent.follows);
    let last = before.1.filter(|_| life == before.0);
    (life, follows.or(last))
}

fn is_ascending(peers: &Peers) -> bool {
    let ids = || peers.iter().map(|peer| peer.node_id);
    ids().zip(ids().skip(1)).all(|(one, next)| one < next)
}

impl Witness {
    /// Printed by tests that fail only.
    pub(super) fn tell(&self, what: &dyn fmt::Display) {
        let at = self.start.elapsed().as_secs_f64();
        println!("{at:10.3} s  {what}");
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
