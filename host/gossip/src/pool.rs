//! The pool's handle, which the rest of the host holds.
//!
//! Reads load what the member task has published, and never wait for gossip. The handle does not use
//! chitchat, and the task does not hold a handle, so dropping the last handle ends the member.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use edge_cache_core::decision::Decision;
use edge_cache_core::{AgentInfo, MemberStatus, PeerInfo, PublishedStats};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use crate::announce::{OwnRecord, RecordContent};
use crate::cluster_member::ClusterMember;
use crate::error::GossipError;
use crate::events::TopologyEvents;
use crate::heard::Heard;
use crate::inbox::DECISION_PREFIX;
use crate::join::{JoinState, Trouble};
use crate::keyring::{Keyring, Rotation, SharedKeyring};
use crate::membership::{Membership, ShutdownMode};
use crate::peers::Peers;

mod metrics;
mod start;

/// This node's membership in a cluster. Clones share it.
///
/// The membership ends with [`shutdown`](Self::shutdown), with [`leave`](Self::leave), or when the
/// last clone is dropped.
#[derive(Clone)]
pub struct GossipPool {
    shared: Arc<Shared>,
}

struct Shared {
    cluster_id: String,
    node_id: u64,
    listen: SocketAddr,
    advertise: SocketAddr,
    peers_min: usize,
    policy_suffix: String,
    own: OwnRecord,
    snapshots: watch::Receiver<Arc<Peers>>,
    keyring: Option<SharedKeyring>,
    membership: Arc<Membership>,
    shutdown: watch::Sender<Option<ShutdownMode>>,
    ended: watch::Receiver<()>,
}

impl GossipPool {
    /// Returns copies of the infos of the other live members, in ascending order of node id. Never
    /// waits. Once the pool has stopped, returns the last known state.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let snapshot = self.snapshot();
        snapshot.iter().map(|info| PeerInfo::clone(info)).collect()
    }

    /// Returns the snapshot of the other live members, without copying. See [`peers`](Self::peers).
    #[must_use]
    pub fn snapshot(&self) -> Arc<Peers> {
        Arc::clone(&self.shared.membership.view.load().peers)
    }

    /// Subscribes to changes. The subscription starts with the present snapshot, so no change is
    /// lost.
    #[must_use]
    pub fn subscribe(&self) -> TopologyEvents {
        TopologyEvents::new(self.shared.snapshots.clone())
    }

    /// Calls `call` now, and after each change of the peers, of this node's announcement or of the state
    /// of joining. Returns when the pool has stopped.
    pub async fn on_change(&self, call: impl Fn() + Send) {
        let mut peers = self.shared.snapshots.clone();
        let mut own = self.shared.own.announced.clone();
        let mut join = self.watch_join();
        loop {
            call();
            let changed = tokio::select! {
                changed = peers.changed() => changed,
                changed = own.changed() => changed,
                changed = join.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Replaces the info that other software sets for this node, including its labels. The plugin's
    /// labels are unchanged.
    ///
    /// Returns when the record is in gossip, or withheld because another member has the node's id. Dropping the future
    /// does not undo the announcement.
    ///
    /// # Errors
    ///
    /// [`GossipError::OtherNode`] for the info of another node, and [`GossipError::Info`] if the
    /// record would be too large together with the plugin's labels. Nothing changed then.
    /// [`GossipError::Stopped`] if the pool stopped before the record was written.
    pub async fn announce_self(&self, info: PeerInfo) -> Result<(), GossipError> {
        let own = self.shared.node_id;
        if info.node_id != own {
            return Err(GossipError::OtherNode {
                own,
                given: info.node_id,
            });
        }
        let revision = self.shared.own.change(|content| content.base = info)?;
        self.shared.own.written(revision).await
    }

    /// Replaces the plugin's labels, to be announced soon. Never waits. Labels of other software with
    /// the same key take precedence. The last of several calls wins.
    ///
    /// # Errors
    ///
    /// [`GossipError::Info`] if the record would be too large, [`GossipError::Stopped`] if the pool
    /// was shut down. Nothing changed then. During a restart of the gossip server, labels are
    /// accepted and announced afterwards.
    pub fn publish_labels(&self, labels: BTreeMap<String, String>) -> Result<(), GossipError> {
        self.publish(|content| content.plugin_labels = labels)
    }

    /// Replaces the plugin's labels, and at the same time the decision that they follow from. Never waits.
    ///
    /// # Errors
    ///
    /// As [`publish_labels`](Self::publish_labels).
    pub fn publish_decided(
        &self,
        labels: BTreeMap<String, String>,
        agent: AgentInfo,
    ) -> Result<(), GossipError> {
        self.publish(|content| {
            content.plugin_labels = labels;
            content.agent = agent;
        })
    }

    /// Replaces this node's policy digest, which identifies its plugin and settings. Never waits.
    ///
    /// # Errors
    ///
    /// As [`publish_labels`](Self::publish_labels).
    pub fn set_policy(&self, mut policy: String) -> Result<(), GossipError> {
        policy.push_str(&self.shared.policy_suffix);
        self.publish(|content| content.policy = Some(policy))
    }

    fn publish(&self, change: impl FnOnce(&mut RecordContent)) -> Result<(), GossipError> {
        self.shared.own.change(change).map(drop)
    }

    /// Waits until all changes accepted before this call are in gossip, or withheld because another member has the
    /// node's id.
    ///
    /// # Errors
    ///
    /// [`GossipError::Stopped`] if the pool stopped before that.
    pub async fn published(&self) -> Result<(), GossipError> {
        let own = &self.shared.own;
        own.written(own.newest()).await
    }

    /// Returns the labels of other software, as accepted last. Never waits.
    #[must_use]
    pub fn foreign_labels(&self) -> Arc<BTreeMap<String, String>> {
        Arc::new(self.shared.own.content().base.labels)
    }

    /// Returns this node's announced info, with the labels of both writers. The plugin's are absent while the record
    /// is withheld. Never waits.
    #[must_use]
    pub fn self_info(&self) -> Arc<PeerInfo> {
        Arc::clone(&self.shared.own.announced.borrow().merged)
    }

    /// Returns `true` if this node takes part in gossip. `false` after a shutdown, and while the
    /// gossip server is restarted: the pool's state is stale then.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.membership.running.load(Ordering::Acquire)
    }

    /// Returns `true` while this agent waits to join again, because it was started too often among ZLayer nodes. Such
    /// an agent is alive and not ready.
    #[must_use]
    pub fn waits_for_life(&self) -> bool {
        self.shared
            .membership
            .waits_for_life
            .load(Ordering::Acquire)
    }

    /// Returns `true` once the pool was shut down; [`publish_labels`](Self::publish_labels) then fails.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.own.is_stopped()
    }

    /// Returns the live agents with another policy than this one, ascending: they run another plugin or other
    /// settings, and may route the same key differently.
    #[must_use]
    pub fn policy_mismatches(&self) -> Vec<u64> {
        let view = self.shared.membership.view.load();
        view.policy_mismatches.clone()
    }

    /// Returns all known members in ascending order of node id, including this node, those that
    /// left, and those that failed in the last 72 hours. Of each node only one generation.
    #[must_use]
    pub fn members(&self) -> Vec<ClusterMember> {
        let content = self.shared.own.content();
        let own = ClusterMember {
            node_id: self.shared.node_id,
            status: if content.leaving {
                MemberStatus::Leaving
            } else {
                MemberStatus::Alive
            },
            address: self.shared.advertise,
            generation: self.generation(),
            policy: content.policy,
        };
        let mut members = self.shared.membership.view.load().members.clone();
        members.push(own);
        members.sort_by_key(|member| member.node_id);
        members
    }

    /// Returns the last datagram of a gossip address that this member could read. A large cluster's members hear each
    /// other directly once in a while only.
    #[must_use]
    pub fn heard(&self, address: SocketAddr) -> Option<Heard> {
        self.shared.membership.heard.last(address)
    }

    /// Returns the state of the first exchange with the cluster.
    #[must_use]
    pub fn join_state(&self) -> JoinState {
        *self.shared.membership.join.borrow()
    }

    /// Subscribes to the state of joining.
    #[must_use]
    pub fn watch_join(&self) -> watch::Receiver<JoinState> {
        self.shared.membership.join.subscribe()
    }

    /// Waits until this member is no longer joining. Returns also when the pool has stopped.
    pub async fn joined(&self) -> JoinState {
        let mut states = self.watch_join();
        let mut ended = self.shared.ended.clone();
        tokio::select! {
            _ = states.wait_for(|state| *state != JoinState::Joining) => {}
            _ = ended.changed() => {}
        }
        self.join_state()
    }

    /// Returns `true` if `join_timeout` is over since the start.
    #[must_use]
    pub fn has_waited(&self) -> bool {
        Instant::now() >= self.shared.membership.decides_at
    }

    /// Returns what this member lacks: reasons not to be ready, and warnings.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.shared.membership.troubles(self.shared.peers_min)
    }

    /// Returns `true` if a node was met in the last 72 hours, in this life or in one before, and has not said that it
    /// leaves: it may run although it is not heard.
    #[must_use]
    pub fn may_run(&self, node_id: u64) -> bool {
        self.shared.membership.known().may_run(node_id)
    }

    /// Forgets a failed member. Returns `false` if no failed member has this node id.
    pub fn forget(&self, node_id: u64) -> bool {
        let membership = &self.shared.membership;
        let view = membership.view.load();
        let forgotten = membership.known().forget(node_id, &view);
        if forgotten {
            info!(node_id, "a failed member is forgotten");
            membership.forgotten.notify_one();
        }
        forgotten
    }

    /// Publishes these decisions, by node id, and withdraws those that are `None`.
    pub fn publish_decisions(&self, changes: impl IntoIterator<Item = (u64, Option<String>)>) {
        let changes = changes.into_iter();
        let changes =
            changes.map(|(node_id, value)| (format!("{DECISION_PREFIX}{node_id}"), value));
        self.shared.membership.outbox.change(changes);
    }

    /// Publishes the counters of this node, or withdraws them. Never waits. Ordinary gossip carries them, so peers
    /// see them some seconds later.
    pub fn publish_stats(&self, stats: Option<PublishedStats>) {
        let key = PublishedStats::key(self.shared.node_id);
        let change = (key, stats.map(|stats| stats.encode()));
        self.shared.membership.outbox.change([change]);
    }

    /// Returns the counters that other members publish about their own nodes, by node id. They are shared until one of
    /// them changes.
    #[must_use]
    pub fn published_stats(&self) -> Arc<BTreeMap<u64, PublishedStats>> {
        Arc::clone(&self.shared.membership.view.load().stats)
    }

    /// Waits for decisions of other members. Returns node ids with undecoded values.
    pub async fn take_decisions(&self) -> Vec<(u64, String)> {
        self.shared.membership.inbox.take().await
    }

    /// Returns the number of received decisions that are not worked on yet: those that were taken count until the next
    /// are waited for.
    #[must_use]
    pub fn pending_decisions(&self) -> usize {
        self.shared.membership.inbox.pending()
    }

    /// Returns `true` if another member replicates this decision.
    pub fn is_replicated(&self, decision: &Decision) -> bool {
        self.shared.membership.inbox.is_replicated(decision)
    }

    /// Counts again soon which decisions are replicated: members that replicated one may be gone.
    pub fn recount_replicas(&self) {
        self.shared.membership.inbox.reread.notify_one();
    }

    /// Delivers all decisions of other members again.
    pub fn redeliver_decisions(&self) {
        self.shared.membership.inbox.redeliver();
    }

    /// Counts an invalid decision.
    pub fn count_bad_decision(&self) {
        self.shared.membership.metrics.bad_records.inc();
    }

    /// Returns the live peers that replicate decisions, in ascending order: agents, not ZLayer nodes.
    pub fn live_agents(&self) -> Vec<u64> {
        let view = self.shared.membership.view.load();
        let agents = view.alive().filter(|member| member.policy.is_some());
        agents.map(|member| member.node_id).collect()
    }

    /// Replaces the encryption keys, starting with the next datagram.
    ///
    /// # Errors
    ///
    /// [`GossipError::NotSealed`] if the pool was started without keys.
    pub fn rotate(&self, keyring: Keyring) -> Result<Rotation, GossipError> {
        let slot = self.shared.keyring.as_ref().ok_or(GossipError::NotSealed)?;
        let former = slot.swap(Arc::new(keyring.clone()));
        if former.key_ids().eq(keyring.key_ids()) {
            Ok(Rotation::Unchanged)
        } else {
            Ok(Rotation::Replaced)
        }
    }

    /// Announces to peers that this node is stopping, and stops. Takes about 300 ms.
    ///
    /// Peers remove the node at once, instead of after many intervals without a heartbeat.
    pub async fn leave(&self) {
        // Fails only if the pool has stopped already.
        let _ = self.shared.own.change(|content| content.leaving = true);
        self.end(ShutdownMode::Leave).await;
    }

    /// Stops the member, and returns when its port is free. Peers notice by missing heartbeats.
    ///
    /// Does not wait for unpublished labels: see [`published`](Self::published). Can be called again.
    pub async fn shutdown(&self) {
        self.end(ShutdownMode::Stop).await;
    }

    async fn end(&self, mode: ShutdownMode) {
        self.shared.shutdown.send_if_modified(|current| {
            let is_later = Some(mode) > *current;
            *current = (*current).max(Some(mode));
            is_later
        });
        let mut ended = self.shared.ended.clone();
        // No value is ever sent. The wait ends when the task drops the sender.
        while ended.changed().await.is_ok() {}
    }

    /// Returns the bound address.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        self.shared.listen
    }

    /// Returns the address under which peers reach this node.
    #[must_use]
    pub fn advertise_addr(&self) -> SocketAddr {
        self.shared.advertise
    }

    /// Returns the name of the cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    /// Returns this node's id.
    #[must_use]
    pub fn node_id(&self) -> u64 {
        self.shared.node_id
    }

    /// Returns the generation of the current membership.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.membership.generation.load(Ordering::Acquire)
    }

    /// Returns `true` if datagrams are encrypted.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.shared.keyring.is_some()
    }
}

impl fmt::Debug for GossipPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GossipPool")
            .field("cluster_id", &self.shared.cluster_id)
            .field("node_id", &self.shared.node_id)
            .field("generation", &self.generation())
            .field("advertise", &self.shared.advertise)
            .field("running", &self.is_running())
            .field("peers", &self.snapshot().len())
            .finish_non_exhaustive()
    }
}
