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
use super::directory::{Directory, Now, Pulse, Reading, View};
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
pub(super) struct Shown {
    pub(super) peers: ArcSwap<Peers>,
    /// Ascending by node id.
    pub(super) neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
    pub(super) leaving: ArcSwap<Vec<u64>>,
    pub(super) rival: ArcSwap<Option<SocketAddr>>,
    /// Agents that judge labels otherwise, ascending.
    pub(super) otherwise: ArcSwap<Vec<u64>>,
    /// All other members, ascending by node id.
    pub(super) members: ArcSwap<Vec<ClusterMember>>,
    /// Whether there has ever been a peer.
    pub(super) met: AtomicBool,
}

/// Keeps what is shown.
#[derive(Debug)]
pub(super) struct Topology {
    directory: Directory,
    shown: Arc<Shown>,
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
    /// Publishes to `shown` for those who read, then to `followed` for those who wait: whoever got
    /// an event finds its state in the snapshot.
    pub(super) fn new(
        directory: Directory,
        interval: Duration,
        shown: Arc<Shown>,
        followed: watch::Sender<Arc<Peers>>,
    ) -> Self {
        Self {
            directory,
            shown,
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

    fn read(&self, chitchat: &Chitchat) -> Vec<Reading> {
        let own = chitchat.self_chitchat_id();
        let live = chitchat.live_nodes().map(|id| (id, Pulse::Live));
        let silent = chitchat.dead_nodes().map(|id| (id, Pulse::Silent));
        live.chain(silent)
            .filter(|(id, _)| *id != own)
            .filter_map(|(id, pulse)| Some((chitchat.node_state(id)?, pulse)))
            .map(|(state, pulse)| self.directory.read(state, pulse))
            .collect()
    }

    /// Keeps the peers that were known before: a member that has just started again knows nobody,
    /// and its labels would otherwise route nowhere until it has met all of them.
    fn hold(&mut self) {
        let peers = self.shown.peers.load_full();
        let until = Instant::now().checked_add(self.hold_for);
        self.held = until
            .filter(|_| !peers.is_empty())
            .map(|until| Held { peers, until });
    }

    /// Adds the peers that are held and have not been met yet. Answers when they are let go.
    fn keep_held(&mut self, view: &mut View) -> Option<Instant> {
        let now = Instant::now();
        self.held.take_if(|held| held.until <= now);
        let held = self.held.as_ref()?;
        view.peers = view.peers.with(&held.peers, &view.leaving);
        Some(held.until)
    }

    fn publish(&self, view: View) {
        let View {
            peers,
            neighbours,
            leaving,
            rival,
            members,
            otherwise,
            ..
        } = view;
        if !neighbours.is_empty() {
            self.shown.met.store(true, Ordering::Release);
        }
        store_if_new(&self.shown.members, members);
        store_if_new(&self.shown.neighbours, neighbours);
        store_if_new(&self.shown.leaving, leaving);
        if store_if_new(&self.shown.rival, rival) {
            match rival {
                Some(address) => error!(
                    %address,
                    "another agent has this node's id and was started later: one of them must go"
                ),
                None => info!("no other agent has this node's id any more"),
            }
        }
        // After a restart of gossip the agents of before have not been met yet.
        if self.held.is_none() && store_if_new(&self.shown.otherwise, otherwise) {
            let nodes = self.shown.otherwise.load();
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
        if **self.shown.peers.load() != *peers {
            debug!(peers = peers.len(), "gossip topology changed");
            self.shown.peers.store(Arc::clone(&peers));
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
