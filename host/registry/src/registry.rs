//! The handle of a registry.
//!
//! Reads use the view directly; changes are sent to the writer. A handle never calls the plugin itself.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::events::RegistryEvents;
use crate::gate::CacheHealth;
use crate::placement::{Placement, RoutingStatus};
use crate::snapshot::{NodeState, Snapshot};
use crate::state::RegistryState;
use crate::traffic::Traffic;
use crate::view::{EligibleNodes, Status};
use crate::writer::operation::Operation;
use crate::writer::queue::Queue;
use edge_cache_core::cache_address::CacheAddresses;
use edge_cache_core::effective::{DecisionCounts, EffectiveDecision};
use edge_cache_core::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId, SourceId,
};
use edge_cache_routing::{Replicas, Router};
use edge_cache_sandbox::{GuestLog, Plugin};

/// A registry of the nodes that are eligible as edge caches. A sandboxed plugin decides about every change.
///
/// Cheap to clone. The writer's thread ends when the last handle is dropped, or after
/// [`EdgeCacheRegistry::shutdown`].
///
/// Reads are plain functions on the remembered state. They never wait, and go on while the plugin hangs, fails or is
/// replaced. Changes are async, are made one after the other, and are remembered when they return. In a registry
/// without a store, a change may spin for up to 30 µs before it yields, which is less than a thread takes to wake.
/// A queued change is made even if its caller stops waiting.
#[derive(Clone)]
pub struct EdgeCacheRegistry {
    pub(crate) shared: Arc<Handle>,
}

/// The parts of a running registry that all its handles share.
pub(crate) struct Handle {
    /// Dropped with the last handle: the task holds a clone of the queue, which keeps the writer running.
    pub(crate) sync: Option<AbortOnDrop>,
    /// Dropped with the last handle: the task keeps the thread of placement running.
    #[expect(dead_code, reason = "held until it is dropped")]
    pub(crate) follower: Option<AbortOnDrop>,
    pub(crate) placement: Option<Placement>,
    pub(crate) state: Arc<RegistryState>,
    pub(crate) queue: Queue,
    /// Changes with every view that has other entries or labels; closed when the writer's thread has ended.
    pub(crate) entries_changed: watch::Receiver<()>,
    /// Closed when the writer's thread has ended.
    pub(crate) ended: watch::Receiver<()>,
}

/// A task that is aborted when this is dropped.
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for EdgeCacheRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = &self.shared.state;
        f.debug_struct("EdgeCacheRegistry")
            .field("nodes", &state.view.load().entries.len())
            .field("plugin", &state.plugin.load().name())
            .field("gossip_attached", &self.shared.sync.is_some())
            .finish_non_exhaustive()
    }
}

impl EdgeCacheRegistry {
    /// Enables a node and returns its new entry. A registered node is overwritten: its counters go back to zero.
    ///
    /// # Errors
    ///
    /// Any [`EdgeCacheError`] but `NodeNotFound` and those about counters; nothing has changed then.
    pub async fn enable(
        &self,
        node_id: NodeId,
        capacity: NodeCapacity,
    ) -> Result<EdgeCacheNode, EdgeCacheError> {
        let entry = self.ask(Operation::Enable { node_id, capacity }).await?;
        let entry = entry.ok_or(EdgeCacheError::NodeNotFound(node_id))?;
        Ok(entry.node)
    }

    /// Disables a node, and drops its entry and counters.
    ///
    /// # Errors
    ///
    /// `NodeNotFound` if the node is not registered, and any other [`EdgeCacheError`]; nothing has changed then.
    pub async fn disable(&self, node_id: NodeId) -> Result<(), EdgeCacheError> {
        self.ask(Operation::Disable { node_id }).await.map(drop)
    }

    /// Adds to the counters of a node and returns the totals. A counter stays at its largest value.
    ///
    /// The counters of a node belong to its own agent, also while it is silent without having left. Any agent counts for a
    /// node without one.
    ///
    /// # Errors
    ///
    /// `NodeNotFound` if the node is not registered, `CountedElsewhere` while another agent counts for it, and any other [`EdgeCacheError`]; nothing has changed then.
    pub async fn add_stats(
        &self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<EdgeCacheStats, EdgeCacheError> {
        let entry = self.ask(Operation::AddStats { node_id, delta }).await?;
        let entry = entry.ok_or(EdgeCacheError::NodeNotFound(node_id))?;
        Ok(entry.stats)
    }

    /// Counts what a source of a node has counted since it was last heard, and returns the totals of the node.
    ///
    /// `counters` are absolute: the same ones again change nothing. If one of them has fallen, the source counts from
    /// zero, as one does that is heard for the first time. Its last counters outlive the entry of the node, so nothing
    /// is counted twice.
    ///
    /// # Errors
    ///
    /// `TooManySources` beyond [`SOURCES_MAX`](edge_cache_core::SOURCES_MAX), and those of
    /// [`add_stats`](Self::add_stats); nothing has changed then.
    pub async fn put_source(
        &self,
        source: SourceId,
        counters: EdgeCacheStats,
    ) -> Result<EdgeCacheStats, EdgeCacheError> {
        let node_id = source.node_id;
        let put = Operation::PutSource { source, counters };
        let entry = self.ask(put).await?;
        let entry = entry.ok_or(EdgeCacheError::NodeNotFound(node_id))?;
        Ok(entry.stats)
    }

    /// Sends a change to the writer, if this agent may make it.
    async fn ask(&self, operation: Operation) -> Result<Option<Entry>, EdgeCacheError> {
        if let Err(error) = self.check(&operation) {
            let refused = Err(error);
            self.metrics().add_result(operation.kind(), &refused);
            return refused;
        }
        match self.shared.queue.ask(operation).await {
            Err(EdgeCacheError::NodeNotFound(node_id)) => Err(self.missing(node_id)),
            result => result,
        }
    }

    /// Checks whether this agent may make a change.
    fn check(&self, operation: &Operation) -> Result<(), EdgeCacheError> {
        match operation {
            Operation::AddStats { .. } | Operation::PutSource { .. } => {
                let node_id = operation.node_id();
                let advertiser = &self.shared.state.advertiser;
                let live = advertiser.live();
                let is_silent = live.info(node_id).is_none() && advertiser.may_run(node_id);
                if is_silent || live.is_counted_elsewhere(node_id) {
                    return Err(EdgeCacheError::CountedElsewhere(node_id));
                }
                return Ok(());
            }
            Operation::Enable { capacity, .. } => {
                let valid = capacity.check();
                valid.map_err(EdgeCacheError::InvalidCapacity)?;
            }
            Operation::Disable { .. } | Operation::Merge(_) => {}
        }
        if self.may_decide() {
            Ok(())
        } else {
            Err(EdgeCacheError::NotJoined)
        }
    }

    /// Tells whether this agent may decide: it has heard what the others decided, or nobody was heard in time.
    /// Changes are refused before.
    pub fn may_decide(&self) -> bool {
        self.shared.state.may_decide()
    }

    /// Returns the error for a node that is not registered: before this agent has joined, another one may have enabled
    /// it.
    pub fn missing(&self, node_id: NodeId) -> EdgeCacheError {
        if self.may_decide() {
            EdgeCacheError::NodeNotFound(node_id)
        } else {
            EdgeCacheError::NotJoined
        }
    }

    /// Returns the state of all nodes.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = &self.shared.state;
        Snapshot {
            view: state.view.load_full(),
            live: state.advertiser.live(),
            addresses: state.addresses.load_full(),
        }
    }

    /// Returns the state of one node.
    #[must_use]
    pub fn node(&self, node_id: NodeId) -> NodeState {
        let state = &self.shared.state;
        let (view, live) = (state.view.load(), state.advertiser.live());
        let addresses = state.addresses.load();
        NodeState::new(node_id, &view, &live, &addresses)
    }

    /// Returns the eligible nodes, in ascending order of node id.
    pub fn list_eligible(&self) -> EligibleNodes {
        let entries = self.shared.state.view.load().entries.clone();
        EligibleNodes { entries }
    }

    /// Subscribes to changes of the eligible nodes. No change is lost between the subscription's snapshot and its first
    /// event.
    #[must_use]
    pub fn subscribe(&self) -> RegistryEvents {
        let changed = self.shared.entries_changed.clone();
        RegistryEvents::new(self.shared.state.view.clone(), changed)
    }

    /// Returns the own node, if the registry has one.
    #[must_use]
    pub fn node_id(&self) -> Option<NodeId> {
        self.shared.state.node_id()
    }

    /// Tells whether a node is registered.
    pub fn is_enabled(&self, node_id: NodeId) -> bool {
        self.shared.state.view.load().entries.contains(node_id)
    }

    /// Returns the counters of a node, like [`NodeState::stats`].
    pub fn stats(&self, node_id: NodeId) -> EdgeCacheStats {
        self.node(node_id).stats()
    }

    /// Returns the entry of a node, if it is registered.
    pub fn entry(&self, node_id: NodeId) -> Option<Entry> {
        let view = self.shared.state.view.load();
        view.entries.get(node_id).map(|entry| Entry::clone(entry))
    }

    /// Returns the effective decision about a node, with the reason if this agent does not carry it out.
    ///
    /// `None` if no agent has decided about the node, and in a registry without a node of its own.
    pub fn decision(&self, node_id: NodeId) -> Option<Arc<EffectiveDecision>> {
        let view = self.shared.state.view.load();
        view.decisions.get(node_id).cloned()
    }

    /// Returns the numbers of effective decisions. Takes time in proportion to those that are set aside.
    pub fn decision_counts(&self) -> DecisionCounts {
        self.shared.state.view.load().decisions.counts()
    }

    /// Returns the effective decisions that this agent does not carry out, with the reasons, in ascending order of node
    /// id. Other agents may carry them out.
    pub fn set_aside(&self) -> Vec<Arc<EffectiveDecision>> {
        let view = self.shared.state.view.load();
        view.decisions.set_aside().cloned().collect()
    }

    /// Tells whether another agent keeps a replica of the effective decision about a node: from then on it outlives
    /// this agent.
    pub fn is_replicated(&self, node_id: NodeId) -> bool {
        self.decision(node_id)
            .is_some_and(|effective| self.is_decision_replicated(&effective))
    }

    /// Tells whether another agent keeps a replica of this decision.
    pub fn is_decision_replicated(&self, effective: &EffectiveDecision) -> bool {
        self.shared.state.advertiser.is_replicated(effective)
    }

    /// Tells whether the node's own agent says that it follows the effective decision; see [`NodeState::advertised`].
    ///
    /// Labels follow a change later: those of another node are set by that node's agent.
    pub fn is_advertised(&self, node_id: NodeId) -> bool {
        self.node(node_id).advertised() == Some(true)
    }

    /// Waits until `holds` is true of a node. Checks at once, and after every change of entries or of labels.
    ///
    /// Also returns once nothing can change any more, so check again if it matters.
    pub async fn wait_until(&self, node_id: NodeId, holds: impl Fn(&NodeState) -> bool) {
        let mut entries_changed = self.shared.entries_changed.clone();
        let labels = Notify::new();
        let labels_changed = || labels.notify_one();
        let check = async {
            while !holds(&self.node(node_id)) {
                tokio::select! {
                    () = labels.notified() => {}
                    changed = entries_changed.changed() => if changed.is_err() { return },
                }
            }
        };
        tokio::select! {
            () = check => {}
            () = self.shared.state.advertiser.follow(&labels_changed) => {}
        }
    }

    /// Returns the best nodes for a key, best first: at most `replicas` and
    /// [`REPLICAS_MAX`](edge_cache_routing::REPLICAS_MAX). All agents that see the same labels return the same.
    ///
    /// `from_geo` is the location of the requester: nodes with the same geo come first, then those of the same region.
    /// Without it all nodes are equally near. A node is eligible by the labels that it advertises; a registry without a
    /// node of its own sees no labels and returns nothing.
    ///
    /// Never waits. Up to three replicas without a geo, or with the own node's geo while it is eligible, are computed in
    /// advance; others take some nanoseconds a candidate.
    pub fn route(&self, key: &[u8], replicas: usize, from_geo: Option<&str>) -> Replicas {
        let placement = self.shared.placement.as_ref();
        placement
            .map(|placement| placement.router.route(key, replicas, from_geo))
            .unwrap_or_default()
    }

    /// Returns the router behind [`route`](Self::route), for many lookups or more than node ids. `None` in a registry
    /// without a node of its own.
    pub fn router(&self) -> Option<&Router> {
        let placement = self.shared.placement.as_ref()?;
        Some(&placement.router)
    }

    /// Returns the reader of the traffic table: the nodes that serve a key, with the addresses of their caches. `None` in
    /// a registry without a node of its own.
    pub fn traffic(&self) -> Option<&Traffic> {
        let placement = self.shared.placement.as_ref()?;
        Some(&placement.traffic)
    }

    /// Reports the state of the own node's cache. While it does not work, the node says that it does not follow its
    /// decision, with the reason, and advertises no labels once it has failed. The decision stands.
    pub fn report_cache_health(&self, health: CacheHealth) {
        self.shared.state.gate.report(health);
    }

    /// Returns the state of the own node's cache as reported last.
    #[must_use]
    pub fn cache_health(&self) -> CacheHealth {
        self.shared.state.gate.health()
    }

    /// Returns the addresses of the caches of all live nodes.
    #[must_use]
    pub fn cache_addresses(&self) -> Arc<CacheAddresses> {
        self.shared.state.addresses.load_full()
    }

    /// Returns the status of routing.
    pub fn routing(&self) -> RoutingStatus {
        let placement = self.shared.placement.as_ref();
        let nowhere = || RoutingStatus {
            is_whole: true,
            ..RoutingStatus::default()
        };
        placement.map_or_else(nowhere, Placement::status)
    }

    /// Returns the number of changes that wait for the writer.
    pub fn queue_depth(&self) -> usize {
        self.shared.queue.depth()
    }

    /// Tells whether all threads and tasks run. Before [`EdgeCacheRegistry::shutdown`], `false` means a defect.
    pub fn is_running(&self) -> bool {
        let Handle {
            sync, placement, ..
        } = &*self.shared;
        // The thread of placement ends with the task that follows labels.
        self.shared.ended.has_changed().is_ok()
            && placement.as_ref().is_none_or(Placement::is_running)
            && sync
                .as_ref()
                .is_none_or(|AbortOnDrop(task)| !task.is_finished())
    }

    /// Returns the status of the registry and its plugin.
    pub fn status(&self) -> Status {
        self.shared.state.view.load().status.clone()
    }

    /// Returns the current plugin.
    pub fn plugin(&self) -> Plugin {
        Plugin::clone(&self.shared.state.plugin.load())
    }

    /// Returns the plugin's log.
    pub fn log(&self) -> &GuestLog {
        &self.shared.state.config.log
    }

    /// Stops the registry after the changes that are queued. Later changes fail with `ShuttingDown`; reads go on.
    pub async fn shutdown(&self) {
        self.shared.queue.stop();
        let mut ended = self.shared.ended.clone();
        // An error means that the writer's thread has ended.
        while ended.changed().await.is_ok() {}
    }
}
