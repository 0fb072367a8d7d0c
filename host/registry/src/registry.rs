//! The registry as an embedder holds it.
//!
//! A handle reads the view directly and asks the writer for every change. It never calls the component
//! itself, and no function of it blocks an async thread.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::advertiser::Advertiser;
use crate::events::RegistryEvents;
use crate::metrics::{ChangeKind, RegistryMetrics};
use crate::placement::{Placement, RoutingStatus};
use crate::snapshot::{NodeState, Snapshot};
use crate::status::Status;
use crate::view::{EligibleNodes, ViewCell};
use crate::writer::queue::{Operation, Outcome, Queue};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::decision::{DecisionCounts, EffectiveDecision};
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};
use edge_cache_routing::{Replicas, Router};
use edge_cache_sandbox::PluginCell;
use edge_cache_sandbox::{GuestLog, InstanceConfig, Plugin};

/// Which nodes are eligible as edge caches, held and decided by a sandboxed component.
///
/// Cheap to clone. The component's thread ends when the last handle is dropped, or after
/// [`EdgeCacheRegistry::shutdown`].
///
/// Reads are plain functions on the remembered state; they wait for nothing and go on while the component
/// hangs, fails or is replaced. Changes are async, are made one after the other, and are remembered when
/// they are answered. A change in the queue is made, whether or not
/// its caller still waits for it.
#[derive(Clone)]
pub struct EdgeCacheRegistry {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    /// Dropped with the last handle: it holds an end of the queue, which would keep the writer.
    pub(crate) _sync: Option<AbortOnDrop>,
    /// Dropped likewise: it keeps the placement's thread alive.
    pub(crate) _follower: Option<AbortOnDrop>,
    pub(crate) placement: Option<Placement>,
    pub(crate) view: Arc<ViewCell>,
    pub(crate) queue: Queue,
    pub(crate) advertiser: Arc<dyn Advertiser>,
    pub(crate) plugin: Arc<PluginCell>,
    /// What surrounds instances; a swap begins with it.
    pub(crate) config: InstanceConfig,
    pub(crate) log: Arc<GuestLog>,
    pub(crate) metrics: Arc<RegistryMetrics>,
    /// Changes with every view that has other entries; closed when the writer's thread has ended.
    pub(crate) changed: watch::Receiver<()>,
    /// Closed when the writer's thread has ended.
    pub(crate) ended: watch::Receiver<()>,
}

/// A task that ends with its owner.
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl EdgeCacheRegistry {
    /// Marks a node as eligible and answers its entry. A node that is registered already is overwritten,
    /// its counters go back to zero.
    ///
    /// # Errors
    ///
    /// Any [`EdgeCacheError`] but `NodeNotFound`; nothing has changed then.
    pub async fn enable(
        &self,
        node_id: NodeId,
        capacity: NodeCapacity,
    ) -> Result<EdgeCacheNode, EdgeCacheError> {
        if let Err(reason) = capacity.check() {
            let refused = Err(EdgeCacheError::InvalidCapacity(reason));
            let metrics = &self.shared.metrics;
            metrics.add_result(ChangeKind::Enable, &refused);
            return refused;
        }
        match self.ask(Operation::Enable { node_id, capacity }).await? {
            Outcome::Enabled(node) => Ok(node),
            other => Err(mixed_up(&other)),
        }
    }

    /// Forgets a node.
    ///
    /// # Errors
    ///
    /// `NodeNotFound` where it is not registered, and any other [`EdgeCacheError`]; nothing has changed then.
    pub async fn disable(&self, node_id: NodeId) -> Result<(), EdgeCacheError> {
        self.ask(Operation::Disable { node_id }).await.map(drop)
    }

    /// Adds to the counters of a node and answers the totals. A counter stays at its largest value.
    ///
    /// # Errors
    ///
    /// `NodeNotFound` where it is not registered, and any other [`EdgeCacheError`]; nothing has changed then.
    pub async fn add_stats(
        &self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<EdgeCacheStats, EdgeCacheError> {
        match self.ask(Operation::AddStats { node_id, delta }).await? {
            Outcome::Counted(totals) => Ok(totals),
            other => Err(mixed_up(&other)),
        }
    }

    /// All that is known now of all nodes.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let shared = &self.shared;
        let grants = shared.plugin.load().config().labels.clone();
        Snapshot::new(shared.view.load_full(), shared.advertiser.live(), grants)
    }

    /// All that is known now of one node.
    #[must_use]
    pub fn node(&self, node_id: NodeId) -> NodeState {
        let shared = &self.shared;
        let grants = shared.plugin.load().config().labels.clone();
        NodeState::new(
            node_id,
            &shared.view.load(),
            &shared.advertiser.live(),
            grants,
        )
    }

    /// The nodes that are eligible now, in ascending order of node id.
    pub fn list_eligible(&self) -> EligibleNodes {
        EligibleNodes::new(self.shared.view.load().entries.clone())
    }

    /// The changes from now on, with the snapshot that they begin at: nothing is lost between the two.
    #[must_use]
    pub fn subscribe(&self) -> RegistryEvents {
        RegistryEvents::new(self.shared.view.clone(), self.shared.changed.clone())
    }

    /// The agent's own node, if the registry has one.
    #[must_use]
    pub fn node_id(&self) -> Option<NodeId> {
        self.shared.advertiser.node_id()
    }

    /// Whether a node is registered.
    pub fn is_enabled(&self, node_id: NodeId) -> bool {
        self.shared.view.load().entries.contains(node_id)
    }

    /// The counters of a node; both zero where it is not registered.
    pub fn stats(&self, node_id: NodeId) -> EdgeCacheStats {
        self.shared
            .view
            .load()
            .entries
            .get(node_id)
            .map_or_else(EdgeCacheStats::default, |labelled| labelled.entry.stats)
    }

    /// All that is known of a node.
    pub fn entry(&self, node_id: NodeId) -> Option<Entry> {
        self.shared
            .view
            .load()
            .entries
            .get(node_id)
            .map(|labelled| labelled.entry.clone())
    }

    /// The decision that stands about a node: who took it, when, and what this agent's component made of
    /// it. `None` where nobody has ever decided about the node, and in a registry without a node of its own.
    pub fn decision(&self, node_id: NodeId) -> Option<Arc<EffectiveDecision>> {
        self.shared.view.load().decisions.get(&node_id).cloned()
    }

    /// Whether another agent carries the decision that stands about a node: from then on it outlives this
    /// agent.
    pub fn is_replicated(&self, node_id: NodeId) -> bool {
        self.decision(node_id)
            .is_some_and(|effective| self.is_decision_replicated(&effective))
    }

    /// Whether another agent carries this decision.
    pub fn is_decision_replicated(&self, effective: &EffectiveDecision) -> bool {
        self.shared.advertiser.is_replicated(effective)
    }

    /// Whether the node is seen to advertise any label that a component may set.
    pub fn advertises_labels(&self, node_id: NodeId) -> bool {
        self.node(node_id).advertises_labels()
    }

    /// Whether the node is seen to advertise exactly the labels that follow from its entry.
    ///
    /// Advertising comes after deciding, at its own pace; for another node it also takes that node's agent.
    pub fn is_advertised(&self, node_id: NodeId) -> bool {
        self.node(node_id).is_advertised()
    }

    /// Waits until `holds` is true of the node, checking after every change of entries and of labels. Returns too
    /// once nothing can change any more.
    pub async fn wait_until(&self, node_id: NodeId, holds: impl Fn(&NodeState) -> bool) {
        let mut views = self.shared.changed.clone();
        let labels = Notify::new();
        let changed = || labels.notify_one();
        let check = async {
            while !holds(&self.node(node_id)) {
                tokio::select! {
                    () = labels.notified() => {}
                    changed = views.changed() => if changed.is_err() { return },
                }
            }
        };
        tokio::select! {
            () = check => {}
            () = self.shared.advertiser.follow(&changed) => {}
        }
    }

    /// The best nodes for a key, best first: as many as asked for, at most
    /// [`REPLICAS_MAX`](edge_cache_routing::REPLICAS_MAX), and fewer where there are not as many. All agents that
    /// see the same labels answer the same.
    ///
    /// `from_geo` is where the asker is: nodes with the same geo come first, then those of the same region.
    /// Without it all nodes are equally near. Waits for nothing. Nodes are eligible by what they advertise,
    /// so a registry without a node of its own, which sees no labels, routes nowhere. Up to three replicas for
    /// askers without geo, or with the node's own while it is eligible, are remembered; others take some ns a
    /// candidate.
    pub fn route(&self, key: &[u8], replicas: usize, from_geo: Option<&str>) -> Replicas {
        let placement = self.shared.placement.as_ref();
        placement
            .map(|placement| placement.router().route(key, replicas, from_geo))
            .unwrap_or_default()
    }

    /// What [`route`](Self::route) asks, for who looks up all the time or needs more than node ids; none where
    /// the registry has no node of its own.
    pub fn router(&self) -> Option<&Router> {
        self.shared.placement.as_ref().map(Placement::router)
    }

    /// How routing is doing.
    pub fn routing(&self) -> RoutingStatus {
        let placement = self.shared.placement.as_ref();
        placement.map(Placement::status).unwrap_or_default()
    }

    /// How many changes wait for the writer.
    pub fn queue_depth(&self) -> usize {
        self.shared.queue.depth()
    }

    /// Whether its threads run. Without [`EdgeCacheRegistry::shutdown`], the end of one is a defect.
    pub fn is_running(&self) -> bool {
        let placement = self.shared.placement.as_ref();
        self.shared.ended.has_changed().is_ok() && placement.is_none_or(Placement::is_running)
    }

    /// How the component is doing.
    pub fn status(&self) -> Status {
        self.shared.view.load().status.clone()
    }

    /// How many decisions stand. Looks at each of them.
    pub fn decision_counts(&self) -> DecisionCounts {
        DecisionCounts::of(&self.shared.view.load().decisions)
    }

    /// The component that decides.
    pub fn plugin(&self) -> Plugin {
        Plugin::clone(&self.shared.plugin.load())
    }

    /// The component's log.
    pub fn log(&self) -> &GuestLog {
        &self.shared.log
    }

    /// Stops after the changes that wait already. Later ones are refused with `ShuttingDown`; reads go on.
    pub async fn shutdown(&self) {
        self.shared.queue.stop();
        let mut ended = self.shared.ended.clone();
        // An error says that the sender is gone, which is the end that is waited for.
        while ended.changed().await.is_ok() {}
    }

    async fn ask(&self, operation: Operation) -> Result<Outcome, EdgeCacheError> {
        self.shared.queue.ask(operation).await
    }
}

/// The writer answers each operation with its own outcome; another one is a defect of this crate.
fn mixed_up(outcome: &Outcome) -> EdgeCacheError {
    EdgeCacheError::PluginFailed(format!("the writer answered {outcome:?} to another change"))
}

impl fmt::Debug for EdgeCacheRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeCacheRegistry")
            .field("nodes", &self.shared.view.load().entries.len())
            .field("advertiser", &self.shared.advertiser)
            .finish_non_exhaustive()
    }
}
