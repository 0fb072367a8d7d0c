//! The task that follows the registry and the cluster, and the board to which it writes events.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use tokio::sync::watch;

use super::ring::Ring;
use crate::shutdown::Shutdown;
use edge_cache_api::{ClusterState, EnabledNode, Event, Health, NodeRef, Timestamp};
use edge_cache_host::gossip::{Peers, TopologyEvent, TopologyEvents};
use edge_cache_host::{EdgeCacheNode, EligibleNodes, RegistryEvent, RegistryEvents};

/// The events and the state that subscribers read.
#[derive(Debug)]
pub(super) struct Board {
    /// The start of this agent in nanoseconds since 1970, part of each event id: other agents have other ids.
    start: u128,
    state: Mutex<Present>,
    /// The number of the newest event; closed after the last one.
    newest: watch::Receiver<u64>,
}

/// The present state and the events that led to it. The state may be ahead of the events, which then repeat what is in
/// it.
#[derive(Debug)]
struct Present {
    ring: Ring,
    nodes: EligibleNodes,
    peers: Arc<Peers>,
    health: watch::Receiver<Option<Health>>,
    /// The state as events, made once for all subscribers that need it before the next event.
    snapshot: Option<Bytes>,
}

/// Writes events to the board.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) board: Arc<Board>,
    registry: RegistryEvents,
    topology: Option<TopologyEvents>,
    health: watch::Receiver<Option<Health>>,
    newest: watch::Sender<u64>,
}

impl Hub {
    pub(super) fn new(
        registry: RegistryEvents,
        topology: Option<TopologyEvents>,
        health: watch::Receiver<Option<Health>>,
    ) -> Self {
        let start = SystemTime::now().duration_since(UNIX_EPOCH);
        let (newest, receiver) = watch::channel(0);
        let peers = topology.as_ref().map(|events| events.snapshot().clone());
        let board = Board {
            start: start.unwrap_or_default().as_nanos(),
            state: Mutex::new(Present {
                ring: Ring::default(),
                nodes: registry.snapshot(),
                peers: peers.unwrap_or_default(),
                health: health.clone(),
                snapshot: None,
            }),
            newest: receiver,
        };
        Self {
            board: Arc::new(board),
            registry,
            topology,
            health,
            newest,
        }
    }

    /// Writes events until nothing can change any more, or the agent stops.
    pub(super) async fn run(mut self, stop: Shutdown) {
        let follow = async {
            loop {
                tokio::select! {
                    Some(event) = self.registry.next() => self.registry_changed(&event),
                    Some(event) = next(&mut self.topology) => self.topology_changed(&event),
                    Ok(()) = self.health.changed() => self.health_changed(),
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
            TopologyEvent::Joined(info) => Event::Joined(info.clone()),
            TopologyEvent::Updated(info) => Event::Updated(info.clone()),
            TopologyEvent::Left { node_id } => Event::Left(NodeRef { node_id: *node_id }),
            TopologyEvent::Failed { node_id } => Event::Failed(NodeRef { node_id: *node_id }),
        };
        self.push(&mut now, &event);
    }

    fn health_changed(&mut self) {
        let health = self.health.borrow_and_update().clone();
        if let Some(health) = health {
            self.push(&mut self.board.lock(), &Event::Health(health));
        }
    }

    fn push(&self, now: &mut Present, event: &Event) {
        now.ring
            .push(|number| text(self.board.start, number, event).into());
        now.snapshot = None;
        self.newest.send_replace(now.ring.newest());
    }
}

impl Board {
    /// Returns the number in an event id; `None` for an event of another agent or of a former start.
    pub(super) fn number(&self, id: &str) -> Option<u64> {
        let (start, number) = id.split_once('-')?;
        (start == self.start.to_string()).then_some(())?;
        number.parse().ok()
    }

    /// Waits for events after `number` and returns a portion of them with the number of the last one, or the whole
    /// state where they are not kept any more. `None` after the last event.
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

    fn lock(&self) -> MutexGuard<'_, Present> {
        // Each part is consistent after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    fn whole(&mut self, start: u128) -> (u64, Bytes) {
        let number = self.ring.newest();
        if let Some(text) = &self.snapshot {
            return (number, text.clone());
        }
        let snapshot = Event::Snapshot(ClusterState {
            nodes: self.nodes.iter().map(enabled).collect(),
            peers: self.peers.iter().map(|info| (**info).clone()).collect(),
        });
        let health = self.health.borrow().clone().map(Event::Health);
        let events = [snapshot].into_iter().chain(health);
        let texts = events.map(|event| text(start, number, &event));
        let text = Bytes::from(texts.collect::<String>());
        self.snapshot = Some(text.clone());
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

/// Encodes an event. JSON has no line breaks of its own.
fn text(start: u128, number: u64, event: &Event) -> String {
    // Texts, numbers and maps with text as keys always have a form in JSON.
    let (name, data) = (
        event.name(),
        serde_json::to_string(event).unwrap_or_default(),
    );
    format!("id: {start}-{number}\nevent: {name}\ndata: {data}\n\n")
}
