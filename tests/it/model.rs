//! Random sequences of all operations over few nodes, compared with a model after every step.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use edge_cache_host::conformance::{ComponentSubject, Subject};
use edge_cache_host::gossip::PeerInfo;
use edge_cache_host::labels::Labels;
use edge_cache_host::{
    Change, EdgeCacheError, EdgeCacheNode, EdgeCacheRegistry, EdgeCacheStats, Entry, NodeCapacity,
    NodeId,
};
use edge_cache_tests::reference_plugin;
use proptest::prelude::*;

const NODES: std::ops::Range<NodeId> = 0..5;
/// The node whose labels a standalone registry shows.
const OWN: NodeId = 1;

#[derive(Debug, Clone)]
enum Step {
    Enable(NodeId, NodeCapacity),
    Disable(NodeId),
    AddStats(NodeId, EdgeCacheStats),
    Load(Vec<Entry>),
    Apply(Vec<Change>),
}

/// What a registry must be, written as plainly as can be.
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

/// One step on both; they must answer alike.
fn step(subject: &mut dyn Subject, model: &mut Model, step: &Step, refused: bool, now: SystemTime) {
    match step {
        Step::Enable(node_id, capacity) => {
            let answer = subject.enable(*node_id, capacity).unwrap();
            if !is_valid(capacity) {
                assert!(
                    matches!(answer, Err(EdgeCacheError::InvalidCapacity(_))),
                    "{answer:?}"
                );
            } else if refused {
                assert!(
                    matches!(answer, Err(EdgeCacheError::Gossip(_))),
                    "{answer:?}"
                );
            } else {
                let node = EdgeCacheNode {
                    node_id: *node_id,
                    capacity: capacity.clone(),
                    enabled_at: now,
                };
                assert_eq!(answer, Ok(node.clone()));
                model.put(Entry {
                    node,
                    stats: EdgeCacheStats::default(),
                });
            }
        }
        Step::Disable(node_id) => {
            let answer = subject.disable(*node_id).unwrap();
            if !model.entries.contains_key(node_id) {
                assert_eq!(answer, Err(EdgeCacheError::NodeNotFound(*node_id)));
            } else if refused {
                assert!(
                    matches!(answer, Err(EdgeCacheError::Gossip(_))),
                    "{answer:?}"
                );
            } else {
                assert_eq!(answer, Ok(()));
                model.entries.remove(node_id);
            }
        }
        Step::AddStats(node_id, delta) => {
            let expected = model.add(*node_id, *delta);
            assert_eq!(
                subject.add_stats(*node_id, *delta).unwrap(),
                expected.ok_or(EdgeCacheError::NodeNotFound(*node_id))
            );
        }
        Step::Load(entries) => {
            let answer = subject.load(entries).unwrap();
            let valid = entries.iter().all(|entry| is_valid(&entry.node.capacity));
            let accepted = valid && (!refused || entries.is_empty());
            assert_eq!(answer.is_ok(), accepted, "{answer:?}");
            if accepted {
                entries.iter().cloned().for_each(|entry| model.put(entry));
            }
        }
        Step::Apply(changes) => {
            let before = model.clone();
            let answer = subject.apply(changes).unwrap();
            let valid = changes.iter().all(|change| match change {
                Change::Put(entry) => is_valid(&entry.node.capacity),
                Change::Remove(_) => true,
            });
            if !valid {
                assert!(answer.is_err(), "{answer:?}");
            } else if refused && answer.is_err() {
                assert_eq!(*model, before);
            } else {
                assert_eq!(answer, Ok(()));
                for change in changes {
                    match change {
                        Change::Put(entry) => model.put(entry.clone()),
                        Change::Remove(node_id) => drop(model.entries.remove(node_id)),
                    }
                }
                // Refused and yet accepted: then there was nothing to publish.
                assert!(!refused || *model == before, "labels went past a refusal");
            }
        }
    }
}

fn compare(subject: &mut dyn Subject, model: &Model) {
    assert_eq!(subject.list_eligible().unwrap(), model.nodes());
    for node_id in NODES {
        let known = model.entries.contains_key(&node_id);
        assert_eq!(subject.is_enabled(node_id).unwrap(), known);
        assert_eq!(subject.stats(node_id).unwrap(), model.stats(node_id));
        assert_eq!(
            subject.labels(node_id),
            model.labels(node_id),
            "node {node_id}"
        );
        let candidate = subject.assess(node_id, &model.labels(node_id)).unwrap();
        let geo = model
            .entries
            .get(&node_id)
            .map(|entry| entry.node.capacity.geo.clone());
        assert_eq!(candidate.map(|candidate| candidate.geo), geo);
    }
}

fn capacities() -> impl Strategy<Value = NodeCapacity> {
    let geo = prop_oneof![
        4 => Just(None),
        4 => "[a-z]{1,12}".prop_map(Some),
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_component_does_what_the_model_does(
        steps in prop::collection::vec((steps(), prop::bool::weighted(0.2)), 1..40)
    ) {
        let mut subject = ComponentSubject::start(&reference_plugin().unwrap()).unwrap();
        let mut model = Model::default();
        for (now, (next, refused)) in (1_000..).map(after).zip(&steps) {
            subject.set_time(now);
            if *refused {
                subject.refuse_labels();
            }
            step(&mut subject, &mut model, next, *refused, now);
            subject.accept_labels();
            compare(&mut subject, &model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_registry_does_what_the_model_does(steps in prop::collection::vec(steps(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let registry = EdgeCacheRegistry::builder(reference_plugin().unwrap())
                .standalone(PeerInfo::placeholder(OWN))
                .start()
                .await
                .unwrap();
            let mut model = Model::default();
            for step in steps {
                registry_step(&registry, &mut model, step).await;
                compare_registry(&registry, &model);
            }
        });
    }
}

async fn registry_step(registry: &EdgeCacheRegistry, model: &mut Model, step: Step) {
    match step {
        Step::Enable(node_id, capacity) => {
            let answer = registry.enable(node_id, capacity.clone()).await;
            if is_valid(&capacity) {
                let node = answer.unwrap();
                assert_eq!((node.node_id, &node.capacity), (node_id, &capacity));
                model.put(Entry {
                    node,
                    stats: EdgeCacheStats::default(),
                });
            } else {
                assert!(
                    matches!(answer, Err(EdgeCacheError::InvalidCapacity(_))),
                    "{answer:?}"
                );
            }
        }
        Step::Disable(node_id) => {
            let known = model.entries.remove(&node_id).is_some();
            let expected = known
                .then_some(())
                .ok_or(EdgeCacheError::NodeNotFound(node_id));
            assert_eq!(registry.disable(node_id).await, expected);
        }
        Step::AddStats(node_id, delta) => {
            let expected = model.add(node_id, delta);
            assert_eq!(
                registry.add_stats(node_id, delta).await,
                expected.ok_or(EdgeCacheError::NodeNotFound(node_id))
            );
        }
        // Only the host calls these, and only with what it remembers.
        Step::Load(_) | Step::Apply(_) => {}
    }
}

fn compare_registry(registry: &EdgeCacheRegistry, model: &Model) {
    assert_eq!(registry.list_eligible().to_vec(), model.nodes());
    for node_id in NODES {
        let entry = model.entries.get(&node_id);
        assert_eq!(registry.is_enabled(node_id), entry.is_some());
        assert_eq!(registry.entry(node_id).as_ref(), entry);
        assert_eq!(registry.stats(node_id), model.stats(node_id));
        // On its own, a node sees nobody but itself.
        assert_eq!(
            registry.is_advertised(node_id),
            entry.is_some() && node_id == OWN
        );
    }
}
