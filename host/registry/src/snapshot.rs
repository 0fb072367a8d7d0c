//! Snapshots of the registry and of one node, with what the agents of live nodes say about the decisions.
//!
//! Taking a snapshot never waits. Node infos and entries are not read atomically; either may lag. A snapshot keeps no
//! plugin alive.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::advertiser::LiveNodes;
use crate::view::View;
use edge_cache_core::cache_address::{CacheAddress, CacheAddressError, CacheAddresses};
use edge_cache_core::decision::Timestamp;
use edge_cache_core::effective::EffectiveDecision;
use edge_cache_core::labels::Labels;
use edge_cache_core::{DecisionId, EdgeCacheNode, EdgeCacheStats, Entry, NodeId, ms_of};
use edge_cache_gossip::PeerInfo;

/// The state of all nodes at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) view: Arc<View>,
    pub(crate) live: LiveNodes,
    pub(crate) addresses: Arc<CacheAddresses>,
}

/// The state of one node at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct NodeState {
    entry: Option<Arc<Entry>>,
    effective: Option<Arc<EffectiveDecision>>,
    info: Option<Arc<PeerInfo>>,
    is_counted_elsewhere: bool,
    stats: EdgeCacheStats,
    overruled: Option<Timestamp>,
    address: Option<CacheAddress>,
    address_refusal: Option<CacheAddressError>,
}

/// An eligible node in a [`Snapshot`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ListedNode<'a> {
    /// The node.
    pub node: &'a EdgeCacheNode,
    /// As [`NodeState::advertised`].
    pub advertised: Option<bool>,
    /// As [`NodeState::stats`].
    pub stats: EdgeCacheStats,
    /// As [`NodeState::address`].
    pub address: Option<CacheAddress>,
}

impl Snapshot {
    /// Iterates over the eligible nodes in ascending order of node id.
    pub fn eligible(&self) -> impl Iterator<Item = ListedNode<'_>> {
        self.view.entries.iter().map(|entry| {
            let node_id = entry.node.node_id;
            let effective = self.view.decisions.get(node_id);
            let info = self.live.info(node_id);
            ListedNode {
                node: &entry.node,
                advertised: advertised(effective.map(Arc::as_ref), info.map(Arc::as_ref)),
                stats: stats(entry, &self.live),
                address: self.addresses.get(node_id),
            }
        })
    }

    /// Returns the state of one node.
    #[must_use]
    pub fn node(&self, node_id: NodeId) -> NodeState {
        NodeState::new(node_id, &self.view, &self.live, &self.addresses)
    }

    /// Iterates over the effective decisions in ascending order of node id, those about disabled nodes included.
    pub fn decisions(&self) -> impl Iterator<Item = &EffectiveDecision> {
        self.view.decisions.iter().map(Arc::as_ref)
    }

    /// Returns the number of eligible nodes that advertise no labels for it; live members that are no agents are left
    /// out.
    #[must_use]
    pub fn not_advertised(&self) -> usize {
        let is_missing = |listed: &ListedNode<'_>| listed.advertised == Some(false);
        self.eligible().filter(is_missing).count()
    }

    /// Returns the first 48 bits of the SHA-256 digest of effective decisions: node, timestamp and author of each, and 1
    /// if it is set aside, else 0. Two agents with the same number hold and carry out the same decisions.
    ///
    /// Decisions that disable a node are left out where they are carried out: an agent that came later need not have
    /// heard them.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut digest = Sha256::new();
        let counts = |it: &&EffectiveDecision| it.decision.enables() || it.set_aside.is_some();
        for effective in self.decisions().filter(counts) {
            let DecisionId { at, by } = DecisionId::of(&effective.decision);
            for word in [effective.decision.node_id, at.into(), by] {
                digest.update(word.to_be_bytes());
            }
            digest.update([u8::from(effective.set_aside.is_some())]);
        }
        let [a, b, c, d, e, f, ..] = <[u8; 32]>::from(digest.finalize());
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// Tells whether two snapshots share their state. If not, they may still be equal: a change may have been undone.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
            && self.live.is_same(&other.live)
            && Arc::ptr_eq(&self.addresses, &other.addresses)
    }

    /// Returns the labels of a live node, the own one included.
    #[must_use]
    pub fn labels(&self, node_id: NodeId) -> Option<&Labels> {
        self.live.info(node_id).map(|info| &info.labels)
    }

    /// Returns the address of the HTTP API of a live node's agent, as that agent announces it. Nobody has verified it.
    #[must_use]
    pub fn api(&self, node_id: NodeId) -> Option<&str> {
        let agent = self.live.info(node_id)?.agent.as_ref()?;
        agent.api.as_deref()
    }

    /// Returns the version of a live node's agent, as that agent announces it.
    #[must_use]
    pub fn version(&self, node_id: NodeId) -> Option<&str> {
        let agent = self.live.info(node_id)?.agent.as_ref()?;
        agent.version.as_deref()
    }

    /// Returns the addresses of the caches of all live nodes.
    #[must_use]
    pub fn addresses(&self) -> &CacheAddresses {
        &self.addresses
    }
}

impl NodeState {
    pub(crate) fn new(
        node_id: NodeId,
        view: &View,
        live: &LiveNodes,
        addresses: &CacheAddresses,
    ) -> Self {
        let entry = view.entries.get(node_id).cloned();
        Self {
            stats: entry
                .as_ref()
                .map_or_else(EdgeCacheStats::default, |entry| stats(entry, live)),
            entry,
            effective: view.decisions.get(node_id).cloned(),
            info: live.info(node_id).cloned(),
            is_counted_elsewhere: live.is_counted_elsewhere(node_id),
            overruled: view.overruled.get(&node_id).copied(),
            address: addresses.get(node_id),
            address_refusal: addresses.refusal(node_id).cloned(),
        }
    }

    /// Returns the counters of the node since it was enabled: those that its own agent publishes while that lives, else
    /// those of this agent. Both are zero if the node is not registered.
    #[must_use]
    pub fn stats(&self) -> EdgeCacheStats {
        self.stats
    }

    /// Tells whether another agent counts for the node: its own one.
    #[must_use]
    pub fn is_counted_elsewhere(&self) -> bool {
        self.is_counted_elsewhere
    }

    /// Returns when this agent made the decision that the effective one of another agent, heard late, overruled within
    /// ten minutes, if that happened.
    #[must_use]
    pub fn overruled(&self) -> Option<Timestamp> {
        self.overruled
    }

    /// Returns the address of the node's cache, if the node is live and has one.
    #[must_use]
    pub fn address(&self) -> Option<CacheAddress> {
        self.address
    }

    /// Returns the reason why the address that the node publishes counts as none.
    #[must_use]
    pub fn address_refusal(&self) -> Option<&CacheAddressError> {
        self.address_refusal.as_ref()
    }

    /// Returns the entry of the node, if it was eligible.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_deref()
    }

    /// Returns the effective decision, like [`EdgeCacheRegistry::decision`](crate::EdgeCacheRegistry::decision).
    #[must_use]
    pub fn decision(&self) -> Option<&EffectiveDecision> {
        self.effective.as_deref()
    }

    /// Tells whether a member with the id of the node is alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.info.is_some()
    }

    /// Tells whether the node's own agent says that it follows the effective decision, which enables the node. `None`
    /// for a live member that is no agent; a node that is not live advertises nothing.
    #[must_use]
    pub fn advertised(&self) -> Option<bool> {
        advertised(self.decision(), self.info.as_deref())
    }

    /// Tells whether the node advertises nothing that the effective decision forbids: its agent follows a decision that
    /// disables it, or it is not live.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let (effective, info) = (self.decision(), self.info.as_deref());
        let is_disabled = effective.is_none_or(|effective| effective.decision.enabled().is_none());
        is_disabled && info.is_none_or(|info| follows(effective, info) == Some(true))
    }

    /// Returns the reason of the node's own agent for refusing the effective decision, if it does.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        let refuses = self.info.as_ref()?.agent.as_ref()?.refuses.as_ref()?;
        let id = DecisionId::of(&self.decision()?.decision);
        (refuses.decision == id).then_some(&*refuses.reason)
    }
}

/// Returns the counters of an entry: those of another agent only if they are about the same life of it.
fn stats(entry: &Entry, live: &LiveNodes) -> EdgeCacheStats {
    let EdgeCacheNode {
        node_id,
        enabled_at,
        ..
    } = entry.node;
    if !live.is_counted_elsewhere(node_id) {
        return entry.stats;
    }
    let published = live.published.get(&node_id);
    published
        .filter(|published| published.enabled_at_ms == ms_of(enabled_at))
        .map_or_else(EdgeCacheStats::default, |published| EdgeCacheStats {
            hits: published.hits,
            misses: published.misses,
        })
}

fn advertised(effective: Option<&EffectiveDecision>, info: Option<&PeerInfo>) -> Option<bool> {
    let Some(info) = info else {
        return Some(false);
    };
    let is_enabled = effective.is_some_and(|effective| effective.decision.enabled().is_some());
    follows(effective, info).map(|follows| follows && is_enabled)
}

/// Tells whether the agent of a live member follows a decision; `None` for a member that is no agent.
fn follows(effective: Option<&EffectiveDecision>, info: &PeerInfo) -> Option<bool> {
    let agent = info.agent.as_ref()?;
    let id = effective.map(|effective| DecisionId::of(&effective.decision));
    Some(id.is_some() && agent.follows == id)
}
