//! The one task that follows the registry and the cluster, and the board that it writes to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::super::views::Rfc3339;
use super::ring::Ring;
use crate::shutdown::Shutdown;
use edge_cache_core::NodeId;
use edge_cache_host::gossip::{PeerInfo, Peers, TopologyEvent, TopologyEvents};
use edge_cache_host::{EdgeCacheNode, EligibleNodes, NodeCapacity, RegistryEvent, RegistryEvents};

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

#[derive(Debug, Serialize)]
struct NodeData<'a> {
    node_id: NodeId,
    capacity: &'a NodeCapacity,
    enabled_at: Rfc3339,
}

#[derive(Debug, Serialize)]
struct Gone {
    node_id: NodeId,
}

#[derive(Debug, Serialize)]
struct Whole<'a> {
    nodes: Vec<NodeData<'a>>,
    peers: Vec<&'a PeerInfo>,
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
        match event {
            RegistryEvent::Enabled(node) => self.push(&mut now, "enabled", &data(node)),
            RegistryEvent::Disabled { node_id } => {
                self.push(&mut now, "disabled", &Gone { node_id: *node_id });
            }
        }
    }

    fn topology_changed(&self, event: &TopologyEvent) {
        let mut now = self.board.lock();
        if let Some(topology) = &self.topology {
            now.peers.clone_from(topology.snapshot());
        }
        match event {
            TopologyEvent::Joined(peer) => self.push(&mut now, "joined", peer),
            TopologyEvent::Updated(peer) => self.push(&mut now, "updated", peer),
            TopologyEvent::Left { node_id } => {
                self.push(&mut now, "left", &Gone { node_id: *node_id });
            }
        }
    }

    fn push(&self, now: &mut Now, name: &str, data: &impl Serialize) {
        now.ring
            .push(|number| text(self.board.start, number, name, data));
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
        let whole = Whole {
            nodes: self.nodes.iter().map(data).collect(),
            peers: self.peers.iter().map(Arc::as_ref).collect(),
        };
        let text = text(start, number, "reset", &whole);
        self.told = Some(text.clone());
        (number, text)
    }
}

async fn next(topology: &mut Option<TopologyEvents>) -> Option<TopologyEvent> {
    topology.as_mut()?.next().await
}

fn data(node: &EdgeCacheNode) -> NodeData<'_> {
    NodeData {
        node_id: node.node_id,
        capacity: &node.capacity,
        enabled_at: Rfc3339(node.enabled_at),
    }
}

/// An event as it travels. JSON has no line breaks of its own.
fn text(start: u128, number: u64, name: &str, data: &impl Serialize) -> Bytes {
    // Texts, numbers and maps with text as keys: there is nothing that JSON could not say.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("id: {start}-{number}\nevent: {name}\ndata: {data}\n\n").into()
}
