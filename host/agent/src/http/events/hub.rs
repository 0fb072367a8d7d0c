//! The one task that follows the registry and the cluster, and the board that it writes to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use tokio::sync::watch;

use super::super::cluster::peer;
use super::ring::Ring;
use crate::shutdown::Shutdown;
use edge_cache_api::{ClusterState, EnabledNode, Event, NodeRef, Timestamp};
use edge_cache_host::gossip::{Peers, TopologyEvent, TopologyEvents};
use edge_cache_host::{EdgeCacheNode, EligibleNodes, RegistryEvent, RegistryEvents};

/// What subscribers read.
#[derive(Debug)]
pub(super) struct Board {
    /// Tells the events of this agent from those of another or a former one.
    start: u128,
    state: Mutex<Now>,
    /// The number of the newest event; closed when there will be no more.
    newest: watch::Receiver<u64>,
}

/// The present state and the events that led to it. The state may be ahead of the events that are still to
/// come: they say once more then what is in it.
#[derive(Debug)]
struct Now {
    ring: Ring,
    nodes: EligibleNodes,
    peers: Arc<Peers>,
    /// The whole state as text, made once for all who need it before the next event.
    told: Option<Bytes>,
}

/// Writes to the board.
#[derive(Debug)]
pub(super) struct Hub {
    board: Arc<Board>,
    registry: RegistryEvents,
    topology: Option<TopologyEvents>,
    newest: watch::Sender<u64>,
}

impl Hub {
    pub(super) fn new(registry: RegistryEvents, topology: Option<TopologyEvents>) -> Self {
        let start = SystemTime::now().duration_since(UNIX_EPOCH);
        let (newest, receiver) = watch::channel(0);
        let peers = topology.as_ref().map(|events| events.snapshot().clone());
        let board = Board {
            start: start.unwrap_or_default().as_nanos(),
            state: Mutex::new(Now {
                ring: Ring::default(),
                nodes: registry.snapshot(),
                peers: peers.unwrap_or_default(),
                told: None,
            }),
            newest: receiver,
        };
        Self {
            board: Arc::new(board),
            registry,
            topology,
            newest,
        }
    }

    pub(super) fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    /// Ends when nothing can change any more, or when the agent stops.
    pub(super) async fn run(mut self, stop: Shutdown) {
        let follow = async {
            loop {
                tokio::select! {
                    Some(event) = self.registry.next() => self.registry_changed(&event),
                    Some(event) = next(&mut self.topology) => self.topology_changed(&event),
                    else => return,
                }
            }
        };
        tokio::select! {
            () = follow => {}
            () = stop.wait() => {}
        }
    }

    fn registry_changed(&self, event: &RegistryEvent) {
        let mut now = self.board.lock();
        now.nodes = self.registry.snapshot();
        let event = match event {
            RegistryEvent::Enabled(node) => Event::Enabled(enabled(node)),
            RegistryEvent::Disabled { node_id } => Event::Disabled(NodeRef { node_id: *node_id }),
        };
        self.push(&mut now, &event);
    }

    fn topology_changed(&self, event: &TopologyEvent) {
        let mut now = self.board.lock();
        if let Some(topology) = &self.topology {
            now.peers.clone_from(topology.snapshot());
        }
        let event = match event {
            TopologyEvent::Joined(info) => Event::Joined(peer(info)),
            TopologyEvent::Updated(info) => Event::Updated(peer(info)),
            TopologyEvent::Left { node_id } => Event::Left(NodeRef { node_id: *node_id }),
        };
        self.push(&mut now, &event);
    }

    fn push(&self, now: &mut Now, event: &Event) {
        now.ring
            .push(|number| text(self.board.start, number, event));
        now.told = None;
        self.newest.send_replace(now.ring.newest());
    }
}

impl Board {
    /// The number in an event's id, if the event was this agent's.
    pub(super) fn number(&self, id: &str) -> Option<u64> {
        let (start, number) = id.split_once('-')?;
        (start == self.start.to_string()).then_some(())?;
        number.parse().ok()
    }

    /// Waits for events after `number`, and answers a portion of them, or the whole state where they can't be
    /// had, with the number of the last event in it. `None` where there will be no more.
    pub(super) async fn after(&self, number: Option<u64>) -> Option<(u64, Bytes)> {
        let mut newest = self.newest.clone();
        loop {
            newest.mark_unchanged();
            let (last, text) = {
                let mut now = self.lock();
                let kept = number.and_then(|number| now.ring.after(number));
                kept.unwrap_or_else(|| now.whole(self.start))
            };
            if !text.is_empty() {
                return Some((last, text));
            }
            newest.changed().await.ok()?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // Each of its parts is whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    fn whole(&mut self, start: u128) -> (u64, Bytes) {
        let number = self.ring.newest();
        if let Some(text) = &self.told {
            return (number, text.clone());
        }
        let snapshot = Event::Snapshot(ClusterState {
            nodes: self.nodes.iter().map(enabled).collect(),
            peers: self.peers.iter().map(|info| peer(info)).collect(),
        });
        let text = text(start, number, &snapshot);
        self.told = Some(text.clone());
        (number, text)
    }
}

async fn next(topology: &mut Option<TopologyEvents>) -> Option<TopologyEvent> {
    topology.as_mut()?.next().await
}

fn enabled(node: &EdgeCacheNode) -> EnabledNode {
    EnabledNode {
        node_id: node.node_id,
        capacity: node.capacity.clone(),
        enabled_at: Timestamp(node.enabled_at),
    }
}

/// An event as it travels. JSON has no line breaks of its own.
fn text(start: u128, number: u64, event: &Event) -> Bytes {
    let (name, data) = (event.name(), event.data().unwrap_or_default());
    format!("id: {start}-{number}\nevent: {name}\ndata: {data}\n\n").into()
}
