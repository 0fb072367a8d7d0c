//! The candidates, laid out for access by index and for scans.
//!
//! A roster is immutable. A node keeps its index from one roster to the next, so that memos stay valid.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;

use super::geo::{self, Asker, SortKey};
use super::hash::node_hash;
use super::score::{Score, distance};
use crate::types::{Candidate, NodeId};

/// Largest number of candidates, which bounds the time of a build to about a second.
pub const CANDIDATES_MAX: usize = 4_096;

/// Largest weight; the smallest is 1.
pub const WEIGHT_MAX: u32 = 65_535;

/// The error of an update. The routing table has not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CandidateError {
    /// The weight is out of bounds.
    #[error("the weight of node {node_id} is {weight}, not 1 to {WEIGHT_MAX}")]
    Weight {
        /// Id of the node.
        node_id: NodeId,
        /// Weight.
        weight: u32,
    },
    /// There are more than [`CANDIDATES_MAX`].
    #[error("{count} candidates, more than {CANDIDATES_MAX}")]
    TooMany {
        /// Number of candidates.
        count: usize,
    },
}

/// Checks the number of candidates and their weights.
pub(super) fn check(candidates: &BTreeMap<NodeId, Candidate>) -> Result<(), CandidateError> {
    let count = candidates.len();
    if count > CANDIDATES_MAX {
        return Err(CandidateError::TooMany { count });
    }
    for (&node_id, &Candidate { weight, .. }) in candidates {
        if weight == 0 || weight > WEIGHT_MAX {
            return Err(CandidateError::Weight { node_id, weight });
        }
    }
    Ok(())
}

/// Index of a candidate in memos.
pub(super) type Index = u16;

/// A candidate and its index.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) index: Index,
    pub(super) candidate: Candidate,
}

impl Member {
    fn geo(&self) -> Option<&str> {
        self.candidate.geo.as_deref()
    }

    fn sort_key(&self) -> SortKey<'_> {
        geo::sort_key(self.geo())
    }
}

/// Candidates by index and in the order of scans.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Node ids by index; 0 for unused indexes.
    ids: Box<[NodeId]>,
    nodes: Box<[Node]>,
    /// Geos, in the order of [`geo::sort_key`].
    geos: Box<[Option<Arc<str>>]>,
    /// Range of each geo in `line`.
    places: Box<[Range<usize>]>,
    /// Nodes in the order of their geos. Within a geo the heavier nodes come first, so that a scan can exclude
    /// the others early.
    line: Box<[Node]>,
}

/// Data of a candidate that scores need.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) hash: u64,
    pub(super) weight: u32,
    pub(super) index: Index,
    /// Index of its geo in `geos`.
    pub(super) geo: u16,
}

/// Nodes of each tier, nearest first. A tier has up to two slices.
pub(super) type Tiers<'a> = [[&'a [Node]; 2]; geo::TIERS];

impl Roster {
    /// Lays out candidates that were checked.
    pub(super) fn new(members: &BTreeMap<NodeId, Member>) -> Self {
        let mut sorted: Vec<(NodeId, &Member)> = members.iter().map(|(&id, m)| (id, m)).collect();
        sorted.sort_by_cached_key(|(_, m)| (m.sort_key(), Reverse(m.candidate.weight)));
        let ends = members
            .values()
            .map(|m| usize::from(m.index).saturating_add(1));
        let capacity = ends.max().unwrap_or(0);
        let mut roster = Self {
            ids: vec![0; capacity].into(),
            nodes: vec![Node::default(); capacity].into(),
            ..Self::default()
        };
        let mut line = Vec::with_capacity(sorted.len());
        let (mut geos, mut places) = (Vec::new(), Vec::new());
        // The number of geos fits into u16, since there are no more geos than candidates.
        for (geo, neighbours) in (0..).zip(sorted.chunk_by(|(_, a), (_, b)| a.geo() == b.geo())) {
            let start = line.len();
            line.extend(
                neighbours
                    .iter()
                    .map(|(id, member)| roster.add(*id, member, geo)),
            );
            places.push(start..line.len());
            geos.push(neighbours.first().and_then(|(_, m)| m.geo().map(Arc::from)));
        }
        roster.line = line.into();
        (roster.geos, roster.places) = (geos.into(), places.into());
        roster
    }

    fn add(&mut self, id: NodeId, member: &Member, geo: u16) -> Node {
        let node = Node {
            id,
            hash: node_hash(id),
            weight: member.candidate.weight,
            index: member.index,
            geo,
        };
        let place = usize::from(member.index);
        if let (Some(id), Some(by_index)) = (self.ids.get_mut(place), self.nodes.get_mut(place)) {
            (*id, *by_index) = (node.id, node);
        }
        node
    }

    /// Returns the ranges of a request from this geo.
    pub(super) fn asker(&self, geo: Option<&str>) -> Asker {
        geo.map_or_else(Asker::default, |geo| Asker::find(geo, &self.geos))
    }

    /// Returns the nodes of each tier.
    pub(super) fn tiers(&self, asker: &Asker) -> Tiers<'_> {
        asker.tiers(self.geos.len()).map(|parts| {
            parts.map(|part| {
                let places = self.places.get(part).unwrap_or_default();
                match (places.first(), places.last()) {
                    (Some(first), Some(last)) => self.line.get(first.start..last.end),
                    _ => None,
                }
                .unwrap_or_default()
            })
        })
    }

    /// Returns whether a request equals one without geo.
    pub(super) fn is_flat_for(&self, asker: &Asker) -> bool {
        asker.has_one_tier(self.geos.len())
    }

    /// Returns the node with this index, or 0 if there is none.
    #[inline]
    pub(super) fn node_id(&self, index: Index) -> NodeId {
        let node = self.ids.get(usize::from(index));
        node.copied().unwrap_or_default()
    }

    /// Returns the node with this index, if there is one.
    #[inline]
    pub(super) fn node(&self, index: Index) -> Option<&Node> {
        self.nodes.get(usize::from(index))
    }

    /// Returns the candidate of a node. Searches all candidates.
    pub(super) fn candidate(&self, node_id: NodeId) -> Option<Candidate> {
        let node = self.line.iter().find(|node| node.id == node_id)?;
        let geo = self.geos.get(usize::from(node.geo))?;
        Some(Candidate {
            weight: node.weight,
            geo: geo.as_deref().map(str::to_string),
        })
    }

    /// Iterates over the ids, weights and geos of all candidates.
    pub(super) fn candidates(&self) -> impl Iterator<Item = (NodeId, u32, Option<&str>)> {
        self.line.iter().map(|node| {
            let geo = self
                .geos
                .get(usize::from(node.geo))
                .and_then(Option::as_deref);
            (node.id, node.weight, geo)
        })
    }

    /// Returns the number of candidates.
    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    /// Returns the size in memory, in bytes, without the names of geos.
    pub(super) fn bytes(&self) -> usize {
        let sizes = [
            size_of_val(&*self.ids),
            size_of_val(&*self.nodes),
            size_of_val(&*self.geos),
            size_of_val(&*self.places),
            size_of_val(&*self.line),
        ];
        sizes.into_iter().fold(0, usize::saturating_add)
    }
}

impl Node {
    /// Returns the score at a slot with which it has this hash.
    #[inline]
    pub(super) fn score(&self, pair_hash: u64) -> Score {
        Score {
            distance: distance(pair_hash),
            weight: self.weight,
            node_id: self.id,
        }
    }
}
