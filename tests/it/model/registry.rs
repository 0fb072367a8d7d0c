//! The registry that an embedder holds: changes by the writer, some of them in one batch, and reads from the
//! view.

use std::sync::LazyLock;

use edge_cache_conformance::OWN_NODE;
use edge_cache_host::gossip::PeerInfo;
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheRegistry, EdgeCacheStats, Entry, LabelLimits, Limits,
};
use edge_cache_tests::component::reference_plugin_with;
use proptest::prelude::*;

use super::{Model, NODES, Step, is_valid, runs, steps};

/// The longest label that the registry's host takes; a number is no longer than this.
const VALUE_BYTES_MAX: usize = 20;

/// Answer of the registry to a step.
#[derive(Debug)]
enum Answer {
    Enabled(Result<EdgeCacheNode, EdgeCacheError>),
    Disabled(Result<(), EdgeCacheError>),
    Counted(Result<EdgeCacheStats, EdgeCacheError>),
    /// Only the host calls these, and only with what it remembers.
    NotAsked,
}

proptest! {
    #![proptest_config(runs(50))]

    #[test]
    fn the_registry_does_what_the_model_does(
        groups in prop::collection::vec(prop::collection::vec(steps(), 1..8), 1..12)
    ) {
        // One thread takes up tasks in the order in which they were made, and so does the writer.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let registry = EdgeCacheRegistry::builder(plugin_of_short_labels())
                .standalone(PeerInfo::placeholder(OWN_NODE))
                .start()
                .await
                .unwrap();
            let mut model = Model::default();
            for group in groups {
                let asked: Vec<_> = group
                    .iter()
                    .map(|step| tokio::spawn(ask(registry.clone(), step.clone())))
                    .collect();
                for (step, answer) in group.iter().zip(asked) {
                    judge(&mut model, step, answer.await.unwrap());
                }
                compare(&registry, &model);
            }
        });
    }
}

/// The reference component on a host that takes no label as long as some geos are.
fn plugin_of_short_labels() -> Plugin {
    static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| {
        let labels = LabelLimits {
            value_bytes: VALUE_BYTES_MAX,
            ..LabelLimits::default()
        };
        reference_plugin_with(PluginConfig {
            limits: Limits {
                labels,
                ..Limits::default()
            },
            ..PluginConfig::default()
        })
        .unwrap()
    });
    PLUGIN.clone()
}

async fn ask(registry: EdgeCacheRegistry, step: Step) -> Answer {
    match step {
        Step::Enable(node_id, capacity) => {
            Answer::Enabled(registry.enable(node_id, capacity).await)
        }
        Step::Disable(node_id) => Answer::Disabled(registry.disable(node_id).await),
        Step::AddStats(node_id, delta) => Answer::Counted(registry.add_stats(node_id, delta).await),
        Step::Load(_) | Step::Apply(_) => Answer::NotAsked,
    }
}

/// Makes the step on the model, which must answer alike.
fn judge(model: &mut Model, step: &Step, answer: Answer) {
    match (step, answer) {
        (Step::Enable(_, capacity), Answer::Enabled(answer)) if !is_valid(capacity) => {
            assert!(
                matches!(answer, Err(EdgeCacheError::InvalidCapacity(_))),
                "{answer:?}"
            );
        }
        (Step::Enable(_, capacity), Answer::Enabled(answer))
            if capacity.geo.as_ref().map_or(0, String::len) > VALUE_BYTES_MAX =>
        {
            assert!(
                matches!(answer, Err(EdgeCacheError::Gossip(_))),
                "{answer:?}"
            );
        }
        (Step::Enable(node_id, capacity), Answer::Enabled(answer)) => {
            let node = answer.unwrap();
            assert_eq!((node.node_id, &node.capacity), (*node_id, capacity));
            model.put(Entry {
                node,
                stats: EdgeCacheStats::default(),
            });
        }
        (Step::Disable(node_id), Answer::Disabled(answer)) => {
            let known = model.entries.remove(node_id).is_some();
            let expected = known
                .then_some(())
                .ok_or(EdgeCacheError::NodeNotFound(*node_id));
            assert_eq!(answer, expected);
        }
        (Step::AddStats(node_id, delta), Answer::Counted(answer)) => {
            let expected = model.add(*node_id, *delta);
            assert_eq!(
                answer,
                expected.ok_or(EdgeCacheError::NodeNotFound(*node_id))
            );
        }
        (Step::Load(_) | Step::Apply(_), Answer::NotAsked) => {}
        (step, answer) => panic!("{step:?} was answered by {answer:?}"),
    }
}

fn compare(registry: &EdgeCacheRegistry, model: &Model) {
    assert_eq!(registry.list_eligible().to_vec(), model.nodes());
    for node_id in NODES {
        let entry = model.entries.get(&node_id);
        assert_eq!(registry.is_enabled(node_id), entry.is_some());
        assert_eq!(registry.entry(node_id).as_ref(), entry);
        assert_eq!(registry.stats(node_id), model.stats(node_id));
        // A node on its own sees only itself.
        assert_eq!(
            registry.is_advertised(node_id),
            entry.is_some() && node_id == OWN_NODE
        );
    }
}
