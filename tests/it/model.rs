//! Random sequences of all operations over few nodes, compared with a model after every step.

mod bounds;
mod component;
mod registry;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use edge_cache_host::labels::Labels;
use edge_cache_host::{Change, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const NODES: std::ops::Range<NodeId> = 0..5;
/// Seed unless `PROPTEST_RNG_SEED` sets another: every run executes the same cases.
const SEED: u64 = 20_260_101;

/// Returns a configuration of repeatable cases.
fn runs(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    // Shown only where the test fails.
    println!("PROPTEST_RNG_SEED={} repeats this run", config.rng_seed);
    config
}

#[derive(Debug, Clone)]
enum Step {
    Enable(NodeId, NodeCapacity),
    Disable(NodeId),
    AddStats(NodeId, EdgeCacheStats),
    Load(Vec<Entry>),
    Apply(Vec<Change>),
}

/// Simplest possible model of a registry.
#[derive(Debug, Default, Clone, PartialEq)]
struct Model {
    entries: BTreeMap<NodeId, Entry>,
}

impl Model {
    fn put(&mut self, entry: Entry) {
        self.entries.insert(entry.node.node_id, entry);
    }

    fn labels(&self, node_id: NodeId) -> Labels {
        let Some(entry) = self.entries.get(&node_id) else {
            return Labels::new();
        };
        let capacity = &entry.node.capacity;
        let mut labels = Labels::from([
            ("edge_cache".into(), "true".into()),
            ("edge_cache_cpu".into(), capacity.cpu_cores.to_string()),
            ("edge_cache_ram_mib".into(), capacity.ram_mib.to_string()),
            ("edge_cache_disk_mib".into(), capacity.disk_mib.to_string()),
        ]);
        if let Some(geo) = &capacity.geo {
            labels.insert("edge_cache_geo".into(), geo.clone());
        }
        labels
    }

    fn stats(&self, node_id: NodeId) -> EdgeCacheStats {
        self.entries
            .get(&node_id)
            .map_or_else(EdgeCacheStats::default, |entry| entry.stats)
    }

    fn nodes(&self) -> Vec<EdgeCacheNode> {
        self.entries
            .values()
            .map(|entry| entry.node.clone())
            .collect()
    }

    fn add(&mut self, node_id: NodeId, delta: EdgeCacheStats) -> Option<EdgeCacheStats> {
        let stats = &mut self.entries.get_mut(&node_id)?.stats;
        stats.hits = stats.hits.saturating_add(delta.hits);
        stats.misses = stats.misses.saturating_add(delta.misses);
        Some(*stats)
    }
}

fn is_valid(capacity: &NodeCapacity) -> bool {
    let some = capacity.cpu_cores > 0 || capacity.ram_mib > 0 || capacity.disk_mib > 0;
    let geo = capacity.geo.as_deref().unwrap_or("fine");
    some && (1..=64).contains(&geo.len()) && !geo.contains('\n')
}

fn capacities() -> impl Strategy<Value = NodeCapacity> {
    let geo = prop_oneof![
        4 => Just(None),
        4 => "[a-z]{1,12}".prop_map(Some),
        2 => "[a-z]{21,64}".prop_map(Some),
        1 => Just(Some(String::new())),
        1 => Just(Some("a\nb".to_string())),
    ];
    (0_u32..3, 0_u64..3, prop_oneof![Just(0), any::<u64>()], geo).prop_map(
        |(cpu_cores, ram_mib, disk_mib, geo)| NodeCapacity {
            cpu_cores,
            ram_mib,
            disk_mib,
            geo,
        },
    )
}

fn counters() -> impl Strategy<Value = EdgeCacheStats> {
    let count = || prop_oneof![0_u64..100, Just(u64::MAX)];
    (count(), count()).prop_map(|(hits, misses)| EdgeCacheStats { hits, misses })
}

fn entries() -> impl Strategy<Value = Entry> {
    (NODES, capacities(), 0_u64..1_000_000_000_000, counters()).prop_map(
        |(node_id, capacity, millis, stats)| Entry {
            node: EdgeCacheNode {
                node_id,
                capacity,
                enabled_at: after(millis),
            },
            stats,
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    let load = prop::collection::vec(entries(), 0..4).prop_map(|entries| {
        // A load names each node at most once.
        let by_id: BTreeMap<NodeId, Entry> = entries
            .into_iter()
            .map(|entry| (entry.node.node_id, entry))
            .collect();
        Step::Load(by_id.into_values().collect())
    });
    let change = prop_oneof![
        entries().prop_map(Change::Put),
        NODES.prop_map(Change::Remove)
    ];
    prop_oneof![
        4 => (NODES, capacities()).prop_map(|(node_id, capacity)| Step::Enable(node_id, capacity)),
        2 => NODES.prop_map(Step::Disable),
        2 => (NODES, counters()).prop_map(|(node_id, delta)| Step::AddStats(node_id, delta)),
        1 => load,
        1 => prop::collection::vec(change, 0..4).prop_map(Step::Apply),
    ]
}

fn after(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}
