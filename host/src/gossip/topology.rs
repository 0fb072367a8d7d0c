//! The task that keeps the snapshot of peers true.
//!
//! It sleeps until chitchat says that something changed: a key event, as soon as a value arrives,
//! or the set of live members, at the end of a round. Then it reads the whole state anew, because
//! neither signal carries enough: key events tell nothing of deaths, and the live set is told late.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chitchat::Chitchat;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time;
use tracing::debug;

use super::Peers;
use super::config::now_ns;
use super::directory::{Directory, Reading};
use super::info::KEY_PREFIX;

/// The longest sleep before another look at a generation that is too far ahead: such a generation
/// may be centuries ahead, and timers do not reach that far.
const AGAIN_MAX: Duration = Duration::from_secs(60 * 60);

/// Keeps the snapshot of peers.
#[derive(Debug)]
pub(super) struct Topology {
    directory: Directory,
    newest: Arc<ArcSwap<Peers>>,
    followed: watch::Sender<Arc<Peers>>,
}

impl Topology {
    /// Publishes to `newest` for those who read, then to `followed` for those who wait: whoever got
    /// an event finds its state in the snapshot.
    pub(super) fn new(
        directory: Directory,
        newest: Arc<ArcSwap<Peers>>,
        followed: watch::Sender<Arc<Peers>>,
    ) -> Self {
        Self {
            directory,
            newest,
            followed,
        }
    }

    /// Follows chitchat until it is gone.
    pub(super) async fn run(&mut self, chitchat: &Mutex<Chitchat>) {
        let wake = Arc::new(Notify::new());
        let mut live = {
            let chitchat = chitchat.lock().await;
            let notify = Arc::clone(&wake);
            // Runs under chitchat's lock, in its task, which a panic would end: it only notifies.
            // It owns nothing of chitchat's, so it may live as long as chitchat does.
            chitchat
                .subscribe_event(KEY_PREFIX, move |_| notify.notify_one())
                .forever();
            chitchat.live_nodes_watcher()
        };
        loop {
            let readings = self.read(&*chitchat.lock().await);
            let view = self.directory.update(readings, now_ns());
            self.publish(view.peers);
            tokio::select! {
                () = wake.notified() => {}
                changed = live.changed() => if changed.is_err() { return },
                () = after(view.again_in) => {}
            }
        }
    }

    fn read(&self, chitchat: &Chitchat) -> Vec<Reading> {
        let own = chitchat.self_chitchat_id();
        chitchat
            .live_nodes()
            .filter(|id| *id != own)
            .filter_map(|id| chitchat.node_state(id))
            .map(|state| self.directory.read(state))
            .collect()
    }

    fn publish(&self, peers: Peers) {
        if **self.newest.load() == peers {
            return;
        }
        debug!(peers = peers.len(), "gossip topology changed");
        let peers = Arc::new(peers);
        self.newest.store(Arc::clone(&peers));
        self.followed.send_replace(peers);
    }
}

/// Ends after a time, or never.
async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => time::sleep(duration.min(AGAIN_MAX)).await,
        None => std::future::pending().await,
    }
}
