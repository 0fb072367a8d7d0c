use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{RegistryEvent, RegistryEvents};
use crate::entries::Entries;
use crate::fixtures;
use crate::view::{View, ViewCell};
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};

fn node(node_id: NodeId, disk_mib: u64) -> EdgeCacheNode {
    EdgeCacheNode {
        node_id,
        capacity: NodeCapacity {
            cpu_cores: 1,
            ram_mib: 1,
            disk_mib,
            geo: None,
        },
        enabled_at: SystemTime::UNIX_EPOCH + Duration::from_millis(disk_mib),
    }
}

fn entry(node: EdgeCacheNode, hits: u64) -> Entry {
    Entry {
        node,
        stats: EdgeCacheStats { hits, misses: 0 },
    }
}

/// Stands in for the writer: publishes entries of nodes, by id and disk.
struct Writer {
    view: Arc<ViewCell>,
    changed: watch::Sender<()>,
}

impl Writer {
    fn new(entries: &[(NodeId, u64)]) -> Self {
        let view = View {
            entries: entries
                .iter()
                .map(|(id, disk)| entry(node(*id, *disk), 0))
                .collect(),
            ..fixtures::view()
        };
        Self {
            view: Arc::new(ArcSwap::from_pointee(view)),
            changed: watch::channel(()).0,
        }
    }

    fn events(&self) -> RegistryEvents {
        RegistryEvents::new(self.view.clone(), self.changed.subscribe())
    }

    fn change(&self, change: impl FnOnce(&mut Entries)) {
        let mut view = View::clone(&self.view.load());
        change(&mut view.entries);
        self.view.store(Arc::new(view));
        self.changed.send_replace(());
    }
}

#[tokio::test]
async fn each_change_is_an_event_in_ascending_order() {
    let writer = Writer::new(&[(1, 10), (2, 20), (3, 30)]);
    let mut events = writer.events();
    assert_eq!(
        events.snapshot().to_vec(),
        [node(1, 10), node(2, 20), node(3, 30)]
    );
    writer.change(|entries| {
        entries.put(entry(node(9, 90), 0));
        entries.put(entry(node(2, 21), 0));
        entries.remove(1);
        // Counters alone are no change.
        entries.put(entry(node(3, 30), 7));
    });
    for expected in [
        RegistryEvent::Disabled { node_id: 1 },
        RegistryEvent::Enabled(node(2, 21)),
        RegistryEvent::Enabled(node(9, 90)),
    ] {
        assert_eq!(events.next().await, Some(expected));
    }
    assert_eq!(
        events.snapshot().to_vec(),
        [node(2, 21), node(3, 30), node(9, 90)]
    );
    drop(writer.changed);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_slow_subscriber_skips_states_and_ends_at_the_current_one() {
    let writer = Writer::new(&[(1, 10)]);
    let mut events = writer.events();
    for disk in 11..100 {
        writer.change(|entries| entries.put(entry(node(1, disk), 0)));
        writer.change(|entries| entries.put(entry(node(2, disk), 0)));
        writer.change(|entries| entries.remove(2));
    }
    assert_eq!(
        events.next().await,
        Some(RegistryEvent::Enabled(node(1, 99)))
    );
    drop(writer.changed);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn changes_before_the_subscription_are_in_its_snapshot_only() {
    let writer = Writer::new(&[]);
    writer.change(|entries| entries.put(entry(node(1, 10), 0)));
    let mut events = writer.events();
    assert_eq!(events.snapshot().to_vec(), [node(1, 10)]);
    writer.change(|entries| entries.remove(1));
    assert_eq!(
        events.next().await,
        Some(RegistryEvent::Disabled { node_id: 1 })
    );
}
