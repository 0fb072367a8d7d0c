//! The component through the sandbox: every export, and publishing that is refused at random.

use std::collections::BTreeMap;
use std::time::SystemTime;

use edge_cache_conformance::{OWN_NODE, PluginUnderTest, RegistryUnderTest};
use edge_cache_host::{Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeId};
use edge_cache_tests::reference_plugin;
use proptest::prelude::*;

use super::{Model, NODES, Step, after, is_valid, runs, steps};

/// Nodes whose labels are refused during a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Nobodys,
    Everybodys,
    /// Labels of [`OWN_NODE`], unless they are withdrawn.
    Own,
}

impl Refused {
    fn publishing(self, node_id: NodeId) -> bool {
        self == Self::Everybodys || (self == Self::Own && node_id == OWN_NODE)
    }

    fn withdrawing(self) -> bool {
        self == Self::Everybodys
    }
}

proptest! {
    #![proptest_config(runs(200))]

    #[test]
    fn the_component_does_what_the_model_does(
        steps in prop::collection::vec((steps(), refusals()), 1..40)
    ) {
        let mut subject = PluginUnderTest::start(&reference_plugin().unwrap()).unwrap();
        let mut model = Model::default();
        for (now, (next, refused)) in (1_000..).map(after).zip(&steps) {
            subject.set_time(now);
            match refused {
                Refused::Nobodys => {}
                Refused::Everybodys => subject.refuse_labels(),
                Refused::Own => subject.refuse_own_labels(),
            }
            step(&mut subject, &mut model, next, *refused, now);
            subject.accept_labels();
            compare(&mut subject, &model);
        }
    }
}

fn refusals() -> impl Strategy<Value = Refused> {
    prop_oneof![
        6 => Just(Refused::Nobodys),
        1 => Just(Refused::Everybodys),
        2 => Just(Refused::Own),
    ]
}

/// Makes one step on both. Their answers must be equal.
fn step(
    subject: &mut dyn RegistryUnderTest,
    model: &mut Model,
    step: &Step,
    refused: Refused,
    now: SystemTime,
) {
    match step {
        Step::Enable(node_id, capacity) => {
            let answer = subject.enable(*node_id, capacity).unwrap();
            if !is_valid(capacity) {
                assert!(
                    matches!(answer, Err(EdgeCacheError::InvalidCapacity(_))),
                    "{answer:?}"
                );
            } else if refused.publishing(*node_id) {
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
            } else if refused.withdrawing() {
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
            let published = |entry: &Entry| !refused.publishing(entry.node.node_id);
            let accepted = valid && entries.iter().all(published);
            assert_eq!(answer.is_ok(), accepted, "{answer:?}");
            if accepted {
                entries.iter().cloned().for_each(|entry| model.put(entry));
            }
        }
        Step::Apply(changes) => {
            let answer = subject.apply(changes).unwrap();
            let valid = changes.iter().all(|change| match change {
                Change::Put(entry) => is_valid(&entry.node.capacity),
                Change::Remove(_) => true,
            });
            let outcome = outcome(changes);
            let published = |(node_id, entry): (&NodeId, &Option<Entry>)| match entry {
                Some(_) => !refused.publishing(*node_id),
                // A node that is not registered has nothing to withdraw.
                None => !refused.withdrawing() || !model.entries.contains_key(node_id),
            };
            let accepted = valid && outcome.iter().all(published);
            assert_eq!(answer.is_ok(), accepted, "{answer:?}");
            if accepted {
                for (node_id, entry) in outcome {
                    match entry {
                        Some(entry) => model.put(entry),
                        None => drop(model.entries.remove(&node_id)),
                    }
                }
            }
        }
    }
}

/// Applies changes to the model: the last change of each node wins, and its labels are published.
fn outcome(changes: &[Change]) -> BTreeMap<NodeId, Option<Entry>> {
    changes
        .iter()
        .map(|change| match change {
            Change::Put(entry) => (entry.node.node_id, Some(entry.clone())),
            Change::Remove(node_id) => (*node_id, None),
        })
        .collect()
}

fn compare(subject: &mut dyn RegistryUnderTest, model: &Model) {
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
