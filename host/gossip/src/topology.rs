//! Keeps the published view of the cluster up to date.
//!
//! The topology waits for chitchat to report a change: a key event as soon as a value arrives, or a
//! new set of live members at the end of a round. Then it reads the whole state, because neither
//! report is enough: key events do not report deaths, and the live set comes late.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chitchat::Chitchat;
use edge_cache_core::MemberStatus;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::announce::Record;
use crate::clock::until;
use crate::config::SETTLING_INTERVALS;
use crate::directory::{Directory, MemberReading};
use crate::membership::{ClusterView, Membership};
use crate::peers::Peers;

/// Publishes a [`ClusterView`] from chitchat's state.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) directory: Directory,
    pub(crate) membership: Arc<Membership>,
    /// Receives each change after the view, so that a subscriber finds the state of its event in the view.
    pub(crate) snapshots: watch::Sender<Arc<Peers>>,
    pub(crate) own: watch::Receiver<Arc<Record>>,
    pub(crate) interval: Duration,
    pub(crate) held: Option<HeldPeers>,
}

/// Peers from before a restart of the gossip server, kept while the new server meets them.
#[derive(Debug)]
pub(crate) struct HeldPeers {
    peers: Arc<Peers>,
    until: Instant,
}

impl Topology {
    /// Follows chitchat until it is dropped. `changed` is notified of every key event, also those of this
    /// member's own record.
    pub(crate) async fn run(&mut self, chitchat: &Mutex<Chitchat>, changed: &Notify) {
        let mut live = {
            let chitchat = chitchat.lock().await;
            self.directory.own = Some(chitchat.self_chitchat_id().clone());
            chitchat.live_nodes_watcher()
        };
        self.hold_peers();
        loop {
            let readings = self.read(&*chitchat.lock().await);
            let own_policy = self.own.borrow().content.policy.clone();
            let now = Instant::now();
            let (mut view, again_in) = self.directory.update(readings, own_policy.as_deref(), now);
            let release = self.add_held(&mut view);
            let again = again_in.and_then(|wait| now.checked_add(wait));
            self.publish(view);
            tokio::select! {
                () = changed.notified() => {}
                changed = live.changed() => if changed.is_err() { return },
                () = until(again) => {}
                () = until(release) => {}
            }
        }
    }

    fn read(&self, chitchat: &Chitchat) -> Vec<MemberReading> {
        let own = chitchat.self_chitchat_id();
        let live = chitchat.live_nodes().map(|id| (id, true));
        let silent = chitchat.dead_nodes().map(|id| (id, false));
        live.chain(silent)
            .filter(|(id, _)| *id != own)
            .filter_map(|(id, is_live)| Some((chitchat.node_state(id)?, is_live)))
            .map(|(state, is_live)| self.directory.read(state, is_live))
            .collect()
    }

    /// Holds the present peers for a while. A restarted server knows no member, and routing would
    /// lose all nodes until it has met them.
    fn hold_peers(&mut self) {
        let peers = Arc::clone(&self.membership.view.load().peers);
        let hold_for = self.interval.saturating_mul(SETTLING_INTERVALS);
        let until = Instant::now().checked_add(hold_for);
        self.held = until
            .filter(|_| !peers.is_empty())
            .map(|until| HeldPeers { peers, until });
    }

    /// Adds the held peers that have not been met yet. Returns the time of their release.
    fn add_held(&mut self, view: &mut ClusterView) -> Option<Instant> {
        let now = Instant::now();
        self.held.take_if(|held| held.until <= now);
        let held = self.held.as_ref()?;
        let leaving = view.with_status(MemberStatus::Leaving);
        let leaving: Vec<u64> = leaving.map(|member| member.node_id).collect();
        view.peers = Arc::new(view.peers.with(&held.peers, &leaving));
        Some(held.until)
    }

    fn publish(&self, mut view: ClusterView) {
        let before = self.membership.view.load_full();
        if view.alive().next().is_some() {
            self.membership.has_met_peer.store(true, Ordering::Release);
        }
        // Right after a restart of the server, agents that are still there have not been met yet.
        if self.held.is_some() {
            view.policy_mismatches.clone_from(&before.policy_mismatches);
        }
        if view == *before {
            return;
        }
        if view.duplicate_node != before.duplicate_node {
            match view.duplicate_node {
                Some(address) => error!(
                    %address,
                    "another agent with this node's id started later: stop one of them"
                ),
                None => info!("the other agent with this node's id is gone"),
            }
        }
        if view.policy_mismatches != before.policy_mismatches {
            log_policy_mismatches(&view.policy_mismatches);
        }
        let peers = Arc::clone(&view.peers);
        self.membership.view.store(Arc::new(view));
        if peers != before.peers {
            debug!(peers = peers.len(), "gossip topology changed");
            self.snapshots.send_replace(peers);
        }
    }
}

fn log_policy_mismatches(nodes: &[u64]) {
    if nodes.is_empty() {
        info!("all agents use the same plugin and settings again");
    } else {
        let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        warn!(
            nodes = nodes.join(","),
            "agents use another plugin or other settings: they may route keys differently"
        );
    }
}
