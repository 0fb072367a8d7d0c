//! Keeps the published view of the cluster up to date.
//!
//! The topology waits for chitchat to report a change: a key event as soon as a value arrives, or a
//! new set of live members at the end of a round. Then it reads the whole state, because neither
//! report is enough: key events do not report deaths, and the live set comes late.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use chitchat::Chitchat;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::clock::{now_ns, until};
use crate::config::SETTLING_INTERVALS;
use crate::directory::Directory;
use crate::directory::listing::Listing;
use crate::directory::reading::{Liveness, MemberReading, Now};
use crate::peers::Peers;
use crate::view::ClusterView;

/// Maximum wait for a generation that is too far ahead. It may be centuries ahead, and timers do not
/// reach that far.
const AGAIN_MAX: Duration = Duration::from_secs(60 * 60);

/// Publishes a [`ClusterView`] from chitchat's state.
#[derive(Debug)]
pub(crate) struct Topology {
    directory: Directory,
    view: Arc<ClusterView>,
    snapshots: watch::Sender<Arc<Peers>>,
    hold_for: Duration,
    held: Option<HeldPeers>,
}

/// Peers from before a restart of the gossip server, kept while the new server meets them.
#[derive(Debug)]
struct HeldPeers {
    peers: Arc<Peers>,
    until: Instant,
}

impl Topology {
    /// Creates a topology that publishes to `view` first and to `snapshots` then, so that a
    /// subscriber finds the state of its event in the view.
    pub(crate) fn new(
        directory: Directory,
        interval: Duration,
        view: Arc<ClusterView>,
        snapshots: watch::Sender<Arc<Peers>>,
    ) -> Self {
        Self {
            directory,
            view,
            snapshots,
            hold_for: interval.saturating_mul(SETTLING_INTERVALS),
            held: None,
        }
    }

    /// Follows chitchat until it is dropped. `changed` is notified of every key event.
    pub(crate) async fn run(&mut self, chitchat: &Mutex<Chitchat>, changed: &Notify) {
        let mut live = {
            let chitchat = chitchat.lock().await;
            self.directory.begin(chitchat.self_chitchat_id().clone());
            chitchat.live_nodes_watcher()
        };
        self.hold_peers();
        loop {
            let readings = self.read(&*chitchat.lock().await);
            let now = Now {
                unix_ns: now_ns(),
                instant: Instant::now(),
            };
            let mut listing = self.directory.update(readings, now);
            let release = self.add_held(&mut listing);
            let again_in = listing.again_in.map(|wait| wait.min(AGAIN_MAX));
            let again = again_in.and_then(|wait| Instant::now().checked_add(wait));
            self.publish(listing);
            tokio::select! {
                () = changed.notified() => {}
                changed = live.changed() => if changed.is_err() { return },
                () = until(again) => {}
                () = until(release) => {}
                () = self.directory.policy_changed() => {}
            }
        }
    }

    fn read(&self, chitchat: &Chitchat) -> Vec<MemberReading> {
        let own = chitchat.self_chitchat_id();
        let live = chitchat.live_nodes().map(|id| (id, Liveness::Live));
        let silent = chitchat.dead_nodes().map(|id| (id, Liveness::Silent));
        live.chain(silent)
            .filter(|(id, _)| *id != own)
            .filter_map(|(id, liveness)| Some((chitchat.node_state(id)?, liveness)))
            .map(|(state, liveness)| self.directory.read(state, liveness))
            .collect()
    }

    /// Holds the present peers for a while. A restarted server knows no member, and routing would
    /// lose all nodes until it has met them.
    fn hold_peers(&mut self) {
        let peers = self.view.peers.load_full();
        let until = Instant::now().checked_add(self.hold_for);
        self.held = until
            .filter(|_| !peers.is_empty())
            .map(|until| HeldPeers { peers, until });
    }

    /// Adds the held peers that have not been met yet. Returns the time of their release.
    fn add_held(&mut self, listing: &mut Listing) -> Option<Instant> {
        let now = Instant::now();
        self.held.take_if(|held| held.until <= now);
        let held = self.held.as_ref()?;
        listing.peers = listing.peers.with(&held.peers, &listing.leaving);
        Some(held.until)
    }

    fn publish(&self, listing: Listing) {
        if !listing.neighbours.is_empty() {
            self.view.has_met_peer.store(true, Ordering::Release);
        }
        store_if_changed(&self.view.members, listing.members);
        store_if_changed(&self.view.neighbours, listing.neighbours);
        store_if_changed(&self.view.leaving, listing.leaving);
        if store_if_changed(&self.view.duplicate_node, listing.duplicate_node) {
            match listing.duplicate_node {
                Some(address) => error!(
                    %address,
                    "another agent with this node's id started later: stop one of them"
                ),
                None => info!("the other agent with this node's id is gone"),
            }
        }
        // Right after a restart of the server, agents that are still there have not been met yet.
        if self.held.is_none() {
            self.publish_policy_mismatches(listing.policy_mismatches);
        }
        let peers = Arc::new(listing.peers);
        if **self.view.peers.load() != *peers {
            debug!(peers = peers.len(), "gossip topology changed");
            self.view.peers.store(Arc::clone(&peers));
            self.snapshots.send_replace(peers);
        }
    }

    fn publish_policy_mismatches(&self, nodes: Vec<u64>) {
        if !store_if_changed(&self.view.policy_mismatches, nodes) {
            return;
        }
        let nodes = self.view.policy_mismatches.load();
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
}

fn store_if_changed<T: PartialEq>(slot: &ArcSwap<T>, value: T) -> bool {
    let is_changed = **slot.load() != value;
    if is_changed {
        slot.store(Arc::new(value));
    }
    is_changed
}
