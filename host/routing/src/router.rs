//! The router: readers on one side, the one writer of tables on the other.
//!
//! A reader gets the table that is in force by one atomic load and waits for nobody. The writer makes the next
//! one from the newest candidates beside it, and puts it in place at once: a reader sees the one or the
//! other, never a mix.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use super::memo::Difference;
use super::replicas::Replicas;
use super::roster::{self, CANDIDATES_MAX, CandidateError, Member};
use super::table::RoutingTable;
use crate::{Candidate, NodeId};

/// A table is built anew where at least one of so many nodes has changed: from there a scan of all slots takes
/// less time than to look at what each change does to them.
const REBUILD_SHARE: usize = 3;

/// Answers lookups, from any number of threads. Clones share the table.
#[derive(Debug, Clone)]
pub struct Router {
    table: Arc<ArcSwap<RoutingTable>>,
}

/// Answers lookups on one thread, in four fifths of the time of a [`Router`].
///
/// It sees every new table as soon as a [`Router`] does, but keeps the memory of the one that it saw last until
/// its next lookup: it is for threads that look up all the time.
#[derive(Debug, Clone)]
pub struct RouterReader {
    table: Cache<Arc<ArcSwap<RoutingTable>>, Arc<RoutingTable>>,
}

/// Takes in candidates. There is one to a [`Router`]; what it does takes milliseconds, up to seconds for
/// thousands of new nodes, so it belongs on a thread where nobody waits.
#[derive(Debug)]
pub struct RouterWriter {
    table: Arc<ArcSwap<RoutingTable>>,
    members: BTreeMap<NodeId, Member>,
    home: Option<Arc<str>>,
}

/// How many nodes an update concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Update {
    /// Nodes that were no candidates before.
    pub joined: usize,
    /// Nodes that are no candidates any more.
    pub left: usize,
    /// Candidates whose weight or geo is another.
    pub changed: usize,
}

impl Update {
    /// Whether there was anything new.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

impl Router {
    /// A router without candidates, and its writer.
    pub fn new() -> (Self, RouterWriter) {
        let table = Arc::new(ArcSwap::default());
        let writer = RouterWriter {
            table: table.clone(),
            members: BTreeMap::new(),
            home: None,
        };
        (Self { table }, writer)
    }

    /// The best nodes for a key; see [`RoutingTable::route`].
    #[inline]
    pub fn route(&self, key: &[u8], replicas: usize, from_geo: Option<&str>) -> Replicas {
        self.table.load().route(key, replicas, from_geo)
    }

    /// The table that is in force.
    pub fn table(&self) -> Arc<RoutingTable> {
        self.table.load_full()
    }

    /// A reader for one thread.
    pub fn reader(&self) -> RouterReader {
        RouterReader {
            table: Cache::new(self.table.clone()),
        }
    }
}

impl RouterReader {
    /// The best nodes for a key; see [`RoutingTable::route`].
    #[inline]
    pub fn route(&mut self, key: &[u8], replicas: usize, from_geo: Option<&str>) -> Replicas {
        self.table.load().route(key, replicas, from_geo)
    }
}

impl RouterWriter {
    /// Makes these the candidates, all of them, and `home` the geo that most lookups come from: the agent's own.
    ///
    /// Readers see the new table when this returns. After an error nothing has changed.
    pub fn update(
        &mut self,
        candidates: &BTreeMap<NodeId, Candidate>,
        home: Option<&str>,
    ) -> Result<Update, CandidateError> {
        roster::check(candidates)?;
        let (update, difference) = self.take_in(candidates);
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

    /// Brings the members up to date.
    fn take_in(&mut self, candidates: &BTreeMap<NodeId, Candidate>) -> (Update, Difference) {
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
                    difference.set_fresh(member.index);
                    update.changed = update.changed.saturating_add(1);
                }
            } else if let Some(index) = free.next() {
                let candidate = candidate.clone();
                self.members.insert(node_id, Member { index, candidate });
                difference.set_fresh(index);
                update.joined = update.joined.saturating_add(1);
            }
        }
        (update, difference)
    }
}
