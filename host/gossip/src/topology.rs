//! Keeps the snapshot of peers true.
//!
//! It sleeps until chitchat says that something changed: a key event, as soon as a value arrives,
//! or the set of live members, at the end of a round. Then it reads the whole state anew, because
//! neither signal carries enough: key events tell nothing of deaths, and the live set is told late.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use chitchat::Chitchat;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::config::now_ns;
use super::directory::{Directory, Listing, Liveness, MemberReading, Now};
use super::member::SETTLING_INTERVALS;
use super::{ClusterMember, Peers};
use crate::timer::until;

/// The longest sleep before another look at a generation that is too far ahead: such a generation
/// may be centuries ahead, and timers do not reach that far.
const AGAIN_MAX: Duration = Duration::from_secs(60 * 60);

/// A live peer and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) node_id: u64,
    pub(super) address: SocketAddr,
    /// Whether it is an agent, and not another kind of member.
    pub(super) is_agent: bool,
}

/// What is known of the other members, for those who read.
#[derive(Debug, Default)]
pub(super) struct ClusterView {
    pub(super) peers: ArcSwap<Peers>,
    /// Ascending by node id.
    pub(super) neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
    pub(super) leaving: ArcSwap<Vec<u64>>,
    pub(super) duplicate_node: ArcSwap<Option<SocketAddr>>,
    /// Agents that judge labels policy_mismatches, ascending.
    pub(super) policy_mismatches: ArcSwap<Vec<u64>>,
    /// All other members, ascending by node id.
    pub(super) members: ArcSwap<Vec<ClusterMember>>,
    /// Whether there has ever been a peer.
    pub(super) met: AtomicBool,
}

/// Keeps what is view.
#[derive(Debug)]
pub(super) struct Topology {
    directory: Directory,
    view: Arc<ClusterView>,
    followed: watch::Sender<Arc<Peers>>,
    hold_for: Duration,
    held: Option<Held>,
}

/// The peers of before a restart of gossip, which are all still there as far as anybody knows.
#[derive(Debug)]
struct Held {
    peers: Arc<Peers>,
    until: Instant,
}

impl Topology {
    /// Publishes to `view` for those who read, then to `followed` for those who wait: whoever got
    /// an event finds its state in the snapshot.
    pub(super) fn new(
        directory: Directory,
        interval: Duration,
        view: Arc<ClusterView>,
        followed: watch::Sender<Arc<Peers>>,
    ) -> Self {
        Self {
            directory,
            view,
            followed,
            hold_for: interval.saturating_mul(SETTLING_INTERVALS),
            held: None,
        }
    }

    /// Follows chitchat until it is gone. `changed` is notified of every key event.
    pub(super) async fn run(&mut self, chitchat: &Mutex<Chitchat>, changed: &Notify) {
        let mut live = {
            let chitchat = chitchat.lock().await;
            self.directory.begin(chitchat.self_chitchat_id().clone());
            chitchat.live_nodes_watcher()
        };
        self.hold();
        loop {
            let readings = self.read(&*chitchat.lock().await);
            let now = Now {
                unix_ns: now_ns(),
                instant: Instant::now(),
            };
            let mut view = self.directory.update(readings, now);
            let release = self.keep_held(&mut view);
            let again_in = view.again_in.map(|wait| wait.min(AGAIN_MAX));
            let again = again_in.and_then(|wait| Instant::now().checked_add(wait));
            self.publish(view);
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

    /// Keeps the peers that were known before: a member that has just started again knows nobody,
    /// and its labels would otherwise route nowhere until it has met all of them.
    fn hold(&mut self) {
        let peers = self.view.peers.load_full();
        let until = Instant::now().checked_add(self.hold_for);
        self.held = until
            .filter(|_| !peers.is_empty())
            .map(|until| Held { peers, until });
    }

    /// Adds the peers that are held and have not been met yet. Answers when they are let go.
    fn keep_held(&mut self, view: &mut Listing) -> Option<Instant> {
        let now = Instant::now();
        self.held.take_if(|held| held.until <= now);
        let held = self.held.as_ref()?;
        view.peers = view.peers.with(&held.peers, &view.leaving);
        Some(held.until)
    }

    fn publish(&self, view: Listing) {
        let Listing {
            peers,
            neighbours,
            leaving,
            duplicate_node,
            members,
            policy_mismatches,
            ..
        } = view;
        if !neighbours.is_empty() {
            self.view.met.store(true, Ordering::Release);
        }
        store_if_new(&self.view.members, members);
        store_if_new(&self.view.neighbours, neighbours);
        store_if_new(&self.view.leaving, leaving);
        if store_if_new(&self.view.duplicate_node, duplicate_node) {
            match duplicate_node {
                Some(address) => error!(
                    %address,
                    "another agent has this node's id and was started later: one of them must go"
                ),
                None => info!("no other agent has this node's id any more"),
            }
        }
        // After a restart of gossip the agents of before have not been met yet.
        if self.held.is_none() && store_if_new(&self.view.policy_mismatches, policy_mismatches) {
            let nodes = self.view.policy_mismatches.load();
            if nodes.is_empty() {
                info!("all agents judge labels alike again");
            } else {
                warn!(
                    ?nodes,
                    "agents run another component, or another setting of it: they may route keys elsewhere"
                );
            }
        }
        let peers = Arc::new(peers);
        if **self.view.peers.load() != *peers {
            debug!(peers = peers.len(), "gossip topology changed");
            self.view.peers.store(Arc::clone(&peers));
            self.followed.send_replace(peers);
        }
    }
}

fn store_if_new<T: PartialEq>(slot: &ArcSwap<T>, value: T) -> bool {
    let is_new = **slot.load() != value;
    if is_new {
        slot.store(Arc::new(value));
    }
    is_new
}
