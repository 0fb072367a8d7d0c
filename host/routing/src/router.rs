//! The router: many readers and one writer of the routing table.
//!
//! A reader loads the current table atomically and never waits. The writer builds the next table beside it and
//! replaces it atomically, so a reader never sees a mixture.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::memo::Difference;
use super::roster::{self, CANDIDATES_MAX, CandidateError, Member};
use super::table::RoutingTable;
use crate::types::{Candidate, NodeId, Replicas};

/// If at least one in this many nodes changed, the table is rebuilt, since a scan of all slots then takes less
/// time than an update of the memo.
const REBUILD_SHARE: usize = 3;

/// Looks up keys, from any number of threads. Clones share the table.
#[derive(Debug, Clone)]
pub struct Router {
    table: Arc<ArcSwap<RoutingTable>>,
}

/// Replaces the candidates of a [`Router`].
///
/// An update takes milliseconds, and up to a second for thousands of new nodes, so it needs a thread of its own.
#[derive(Debug)]
pub struct RouterWriter {
    table: Arc<ArcSwap<RoutingTable>>,
    members: BTreeMap<NodeId, Member>,
    home: Option<Arc<str>>,
}

/// Number of nodes that an update changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Update {
    /// Number of new candidates.
    pub joined: usize,
    /// Number of removed candidates.
    pub left: usize,
    /// Number of candidates whose weight or geo changed.
    pub changed: usize,
}

impl Update {
    /// Returns whether any candidate changed.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

impl Router {
    /// Makes a router without candidates, and its writer.
    pub fn new() -> (Self, RouterWriter) {
        let table = Arc::new(ArcSwap::default());
        let writer = RouterWriter {
            table: table.clone(),
            members: BTreeMap::new(),
            home: None,
        };
        (Self { table }, writer)
    }

    /// Returns the best nodes for a key; see [`RoutingTable::route`].
    #[inline]
    pub fn route(&self, key: &[u8], replicas: usize, from_geo: Option<&str>) -> Replicas {
        self.table.load().route(key, replicas, from_geo)
    }

    /// Returns the current table.
    pub fn table(&self) -> Arc<RoutingTable> {
        self.table.load_full()
    }
}

impl RouterWriter {
    /// Replaces all candidates, and `home`, the geo of most lookups: the agent's own.
    ///
    /// Readers see the new table when this returns.
    ///
    /// # Errors
    ///
    /// The candidates are refused, and the table has not changed.
    pub fn update(
        &mut self,
        candidates: &BTreeMap<NodeId, Candidate>,
        home: Option<&str>,
    ) -> Result<Update, CandidateError> {
        roster::check(candidates)?;
        let (update, difference) = self.update_members(candidates);
        let moved = self.home.as_deref() != home;
        if moved {
            self.home = home.map(Arc::from);
        }
        if update.is_any() || moved {
            let touched = difference.touched();
            let few = touched.saturating_mul(REBUILD_SHARE) < self.members.len();
            let before = self.table.load_full();
            let after = before.after(
                &self.members,
                self.home.as_ref(),
                few.then_some(&difference),
            );
            self.table.store(Arc::new(after));
        }
        Ok(update)
    }

    /// Updates the members and returns the difference.
    fn update_members(&mut self, candidates: &BTreeMap<NodeId, Candidate>) -> (Update, Difference) {
        let mut update = Update::default();
        let mut difference = Difference::default();
        let mut taken = [false; CANDIDATES_MAX];
        self.members.retain(|node_id, member| {
            let stays = candidates.contains_key(node_id);
            if stays && let Some(taken) = taken.get_mut(usize::from(member.index)) {
                *taken = true;
            }
            if !stays {
                difference.set_stale(member.index);
                update.left = update.left.saturating_add(1);
            }
            stays
        });
        let mut free = (0..)
            .zip(taken)
            .filter_map(|(index, taken)| (!taken).then_some(index));
        for (&node_id, candidate) in candidates {
            if let Some(member) = self.members.get_mut(&node_id) {
                if member.candidate != *candidate {
                    member.candidate = candidate.clone();
                    difference.set_stale(member.index);
                    difference.fresh.push(member.index);
                    update.changed = update.changed.saturating_add(1);
                }
            } else if let Some(index) = free.next() {
                let candidate = candidate.clone();
                self.members.insert(node_id, Member { index, candidate });
                difference.fresh.push(index);
                update.joined = update.joined.saturating_add(1);
            }
        }
        (update, difference)
    }
}
