//! The routing table: immutable, and replaced as a whole.
//!
//! Two kinds of requests are cached: those without geo, and those from the agent's own geo. Others are rare
//! and need a scan, which takes some nanoseconds per candidate.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::geo::Asker;
use super::hash::{key_hash, slot_of};
use super::memo::{Difference, MEMOISED, Memo};
use super::roster::{Member, Roster};
use super::scan::Best;
use crate::types::{Candidate, NodeId, Replicas};

/// An immutable routing table.
///
/// Several lookups in one table are consistent with each other.
#[derive(Debug, Default)]
pub struct RoutingTable {
    roster: Roster,
    /// Results for requests without geo, for which all nodes are in one tier.
    plain: Memo,
    home: Option<Home>,
}

/// The agent's own geo and its cached results.
#[derive(Debug)]
struct Home {
    geo: Arc<str>,
    /// Absent if the results equal the plain ones.
    memo: Option<Memo>,
}

impl RoutingTable {
    /// Returns the table after a change. Without `difference` it is rebuilt.
    pub(super) fn after(
        &self,
        members: &BTreeMap<NodeId, Member>,
        home: Option<&Arc<str>>,
        difference: Option<&Difference>,
    ) -> Self {
        let roster = Roster::new(members);
        let renew = |before: Option<&Memo>, asker: &Asker| match (before, difference) {
            (Some(memo), Some(difference)) => memo.after(difference, &roster, asker),
            _ => Memo::build(&roster, asker),
        };
        let plain = renew(Some(&self.plain), &Asker::default());
        let home = home.map(|geo| {
            let asker = roster.asker(Some(geo));
            let before = self.home.as_ref().filter(|before| before.geo == *geo);
            Home {
                geo: geo.clone(),
                memo: (!roster.is_flat_for(&asker))
                    .then(|| renew(before.and_then(|home| home.memo.as_ref()), &asker)),
            }
        });
        Self {
            roster,
            plain,
            home,
        }
    }

    /// Returns the best nodes for a key, best first.
    ///
    /// The number of nodes is the least of `replicas`, the number of candidates, and
    /// [`REPLICAS_MAX`](super::REPLICAS_MAX). Without `from_geo`, all nodes are equally near. Nothing is allocated.
    /// Up to three replicas without `from_geo` or from the agent's own geo are cached; others need a scan.
    #[inline]
    pub fn route(&self, key: &[u8], replicas: usize, from_geo: Option<&str>) -> Replicas {
        self.route_slot(slot_of(key_hash(key)), replicas, from_geo)
    }

    /// Returns the best of the nodes for which `is_eligible` is true, in the order of [`route`](Self::route).
    ///
    /// Nothing is cached: a lookup takes some nanoseconds per candidate.
    pub fn route_among(
        &self,
        key: &[u8],
        replicas: usize,
        from_geo: Option<&str>,
        is_eligible: impl Fn(NodeId) -> bool,
    ) -> Replicas {
        let asker = self.roster.asker(from_geo);
        let mut best = Best::new(replicas);
        best.find_among(
            &self.roster.tiers(&asker),
            slot_of(key_hash(key)),
            is_eligible,
        );
        best.replicas()
    }

    /// Returns the best nodes for all keys of a slot.
    #[inline]
    pub(super) fn route_slot(
        &self,
        slot: u32,
        replicas: usize,
        from_geo: Option<&str>,
    ) -> Replicas {
        match self.memo(from_geo) {
            Some(memo) if replicas <= MEMOISED => self.recall(memo, slot, replicas),
            _ => self.find(slot, replicas, from_geo),
        }
    }

    /// Returns the number of candidates.
    pub fn len(&self) -> usize {
        self.roster.len()
    }

    /// Returns the weight and the geo of a node, if it is a candidate.
    pub fn candidate(&self, node_id: NodeId) -> Option<Candidate> {
        self.roster.candidate(node_id)
    }

    /// Iterates over the candidates in no order: their ids, weights and geos.
    pub fn candidates(&self) -> impl Iterator<Item = (NodeId, u32, Option<&str>)> {
        self.roster.candidates()
    }

    /// Returns the geo of most lookups: the agent's own.
    pub fn home(&self) -> Option<&str> {
        self.home.as_ref().map(|home| &*home.geo)
    }

    /// Returns whether there are no candidates.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let home = self.home.as_ref().and_then(|home| home.memo.as_ref());
        self.roster
            .bytes()
            .saturating_add(self.plain.bytes())
            .saturating_add(home.map_or(0, Memo::bytes))
    }

    /// Returns the cached results for requests from a geo.
    #[inline]
    fn memo(&self, from_geo: Option<&str>) -> Option<&Memo> {
        let Some(geo) = from_geo else {
            return Some(&self.plain);
        };
        let home = self.home.as_ref().filter(|home| *home.geo == *geo)?;
        Some(home.memo.as_ref().unwrap_or(&self.plain))
    }

    #[inline]
    fn recall(&self, memo: &Memo, slot: u32, replicas: usize) -> Replicas {
        let nodes = memo.best(slot).map(|index| self.roster.node_id(index));
        Replicas::new(nodes, replicas.min(self.len()))
    }

    #[cold]
    fn find(&self, slot: u32, replicas: usize, from_geo: Option<&str>) -> Replicas {
        let asker = self.roster.asker(from_geo);
        if replicas <= MEMOISED && self.roster.is_flat_for(&asker) {
            return self.recall(&self.plain, slot, replicas);
        }
        let mut best = Best::new(replicas);
        best.find(&self.roster.tiers(&asker), slot);
        best.replicas()
    }
}
