//! Each change is tried with a publisher that takes everything, and with one that refuses at every
//! point in turn.

use super::*;
use crate::error::LabelError;
use crate::labels::{LABEL_CPU, LABEL_GEO, Label};

/// Keeps what was published, and refuses from a certain publication on.
#[derive(Default)]
struct Recorder {
    published: Vec<(NodeId, Vec<Label>)>,
    refuse_at: Option<usize>,
}

impl Recorder {
    fn refusing_at(publication: usize) -> Self {
        Self {
            refuse_at: Some(publication),
            ..Self::default()
        }
    }

    fn nodes(&self) -> Vec<NodeId> {
        self.published.iter().map(|(node, _)| *node).collect()
    }

    fn last_of(&self, node: NodeId) -> Vec<Label> {
        let of_node = self.published.iter().rfind(|(id, _)| *id == node);
        of_node.unwrap().1.clone()
    }
}

impl PublishLabels for Recorder {
    fn publish(&mut self, node: NodeId, labels: &[Label]) -> Result<(), LabelError> {
        if self.refuse_at == Some(self.published.len()) {
            return Err(LabelError::Denied("not here".into()));
        }
        self.published.push((node, labels.to_vec()));
        Ok(())
    }
}

fn capacity(disk_mib: u64) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 4,
        ram_mib: 1_024,
        disk_mib,
        geo: Some("eu-central-1".into()),
    }
}

fn nothing() -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 0,
        ram_mib: 0,
        disk_mib: 0,
        geo: None,
    }
}

fn at(unix_millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(unix_millis).unwrap()
}

fn entry(node_id: NodeId, disk_mib: u64) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: capacity(disk_mib),
            enabled_at: at(node_id + 1),
        },
        stats: stats(node_id, disk_mib),
    }
}

fn broken(node_id: NodeId) -> Entry {
    let mut entry = entry(node_id, 1);
    entry.node.capacity = nothing();
    entry
}

fn stats(hits: u64, misses: u64) -> EdgeCacheStats {
    EdgeCacheStats { hits, misses }
}

fn loaded(entries: &[Entry]) -> Registry {
    let mut registry = Registry::new();
    registry
        .load(entries.to_vec(), &mut Recorder::default())
        .unwrap();
    registry
}

fn ids(registry: &Registry) -> Vec<NodeId> {
    registry.list_eligible().map(|node| node.node_id).collect()
}

fn denied() -> EdgeCacheError {
    EdgeCacheError::Gossip("denied: not here".into())
}

#[test]
fn enable_answers_lists_and_publishes_the_node() {
    let mut registry = Registry::new();
    let mut recorder = Recorder::default();
    let node = registry
        .enable(7, capacity(8_192), at(1_234), &mut recorder)
        .unwrap();

    let expected = EdgeCacheNode {
        node_id: 7,
        capacity: capacity(8_192),
        enabled_at: at(1_234),
    };
    assert_eq!(node, expected);
    assert!(registry.is_enabled(7));
    assert!(!registry.is_enabled(8));
    assert!(registry.list_eligible().eq([&expected]));
    assert_eq!(registry.stats(7), stats(0, 0));
    assert_eq!(recorder.published, [(7, capacity_labels(&capacity(8_192)))]);
}

#[test]
fn enable_again_overwrites_and_starts_counting_anew() {
    let mut registry = Registry::new();
    let mut recorder = Recorder::default();
    registry
        .enable(7, capacity(1), at(1), &mut recorder)
        .unwrap();
    registry.add_stats(7, stats(5, 6)).unwrap();

    let mut moved = capacity(2);
    moved.geo = None;
    registry
        .enable(7, moved.clone(), at(0), &mut recorder)
        .unwrap();
    let node = registry.list_eligible().next().unwrap();
    assert_eq!(node.capacity, moved);
    assert_eq!(node.enabled_at, at(0));
    assert_eq!(registry.list_eligible().len(), 1);
    assert_eq!(registry.stats(7), stats(0, 0));
    assert!(
        recorder
            .last_of(7)
            .iter()
            .all(|label| label.key != LABEL_GEO)
    );
}

#[test]
fn enable_refuses_a_capacity_out_of_bounds_without_publishing() {
    let mut long = capacity(1);
    long.geo = Some("x".repeat(65));
    let cases = [
        (
            nothing(),
            "invalid capacity: cpu_cores, ram_mib and disk_mib are all zero; at least one must not be",
        ),
        (long, "invalid capacity: geo must be 1 to 64 bytes, got 65"),
    ];
    let before = loaded(&[entry(7, 1)]);
    for (capacity, text) in cases {
        for node_id in [7, 8] {
            let mut registry = before.clone();
            let mut recorder = Recorder::default();
            let error = registry
                .enable(node_id, capacity.clone(), at(9), &mut recorder)
                .unwrap_err();
            assert!(matches!(error, EdgeCacheError::InvalidCapacity(_)));
            assert_eq!(error.to_string(), text);
            assert_eq!(registry, before);
            assert!(recorder.published.is_empty());
        }
    }
}

#[test]
fn a_refused_publication_leaves_a_node_as_it_was() {
    let before = loaded(&[entry(7, 1)]);
    for node_id in [7, 8] {
        let mut registry = before.clone();
        let error = registry
            .enable(node_id, capacity(2), at(9), &mut Recorder::refusing_at(0))
            .unwrap_err();
        assert_eq!(error, denied());
        assert_eq!(
            error.to_string(),
            "gossip label push failed: denied: not here"
        );
        assert_eq!(registry, before);
    }

    let mut registry = before.clone();
    let error = registry
        .disable(7, &mut Recorder::refusing_at(0))
        .unwrap_err();
    assert_eq!(error, denied());
    assert_eq!(registry, before);
}

#[test]
fn every_label_error_says_why() {
    let cases = [
        (LabelError::Denied("a key".into()), "denied: a key"),
        (
            LabelError::TooLarge(2_048),
            "larger than the limit of 2048 bytes",
        ),
        (
            LabelError::Unavailable("stopping".into()),
            "unavailable: stopping",
        ),
    ];
    for (error, text) in cases {
        assert_eq!(
            EdgeCacheError::from(error),
            EdgeCacheError::Gossip(text.into())
        );
    }
}

#[test]
fn disable_forgets_the_node_and_withdraws_its_labels() {
    let mut registry = loaded(&[entry(7, 1), entry(8, 1)]);
    let mut recorder = Recorder::default();
    assert_eq!(registry.disable(7, &mut recorder), Ok(()));
    assert_eq!(ids(&registry), [8]);
    assert_eq!(registry.stats(7), stats(0, 0));
    assert_eq!(recorder.published, [(7, vec![])]);
}

#[test]
fn disable_of_an_unknown_node_is_not_found_each_time() {
    let mut registry = loaded(&[entry(7, 1)]);
    let mut recorder = Recorder::default();
    let error = registry.disable(8, &mut recorder).unwrap_err();
    assert_eq!(error, EdgeCacheError::NodeNotFound(8));
    assert_eq!(
        error.to_string(),
        "node 8 is not registered as edge-cache eligible"
    );
    registry.disable(7, &mut recorder).unwrap();
    let again = registry.disable(7, &mut recorder);
    assert_eq!(again, Err(EdgeCacheError::NodeNotFound(7)));
    assert_eq!(recorder.nodes(), [7]);
}

#[test]
fn the_list_ascends_over_all_64_bits() {
    let mut registry = Registry::new();
    for node_id in [9, u64::MAX, 0, 1 << 63, 10] {
        registry
            .enable(node_id, capacity(1), at(0), &mut Recorder::default())
            .unwrap();
    }
    assert_eq!(ids(&registry), [0, 9, 10, 1 << 63, u64::MAX]);
}

#[test]
fn counters_add_up_and_stay_at_the_largest_number() {
    let mut registry = loaded(&[]);
    registry
        .enable(7, capacity(1), at(0), &mut Recorder::default())
        .unwrap();
    let steps = [
        (stats(1, 2), stats(1, 2)),
        (stats(0, 0), stats(1, 2)),
        (stats(u64::MAX - 1, 3), stats(u64::MAX, 5)),
        (stats(1, u64::MAX), stats(u64::MAX, u64::MAX)),
        (stats(u64::MAX, 0), stats(u64::MAX, u64::MAX)),
    ];
    for (delta, totals) in steps {
        assert_eq!(registry.add_stats(7, delta), Ok(totals));
        assert_eq!(registry.stats(7), totals);
    }
}

#[test]
fn counters_of_an_unknown_node_are_zero_and_take_nothing() {
    let mut registry = loaded(&[entry(7, 1)]);
    assert_eq!(registry.stats(8), stats(0, 0));
    let error = registry.add_stats(8, stats(1, 1));
    assert_eq!(error, Err(EdgeCacheError::NodeNotFound(8)));
    assert_eq!(registry, loaded(&[entry(7, 1)]));
}

#[test]
fn load_takes_entries_exactly_as_they_are_over_those_that_are_there() {
    let mut registry = loaded(&[entry(1, 1), entry(2, 1)]);
    let mut recorder = Recorder::default();
    registry
        .load(vec![entry(3, 9), entry(2, 9)], &mut recorder)
        .unwrap();

    assert_eq!(registry, loaded(&[entry(1, 1), entry(2, 9), entry(3, 9)]));
    assert_eq!(registry.stats(2), stats(2, 9));
    assert_eq!(registry.list_eligible().nth(1), Some(&entry(2, 9).node));
    assert_eq!(recorder.nodes(), [3, 2]);
    assert_eq!(recorder.last_of(3), capacity_labels(&capacity(9)));
}

#[test]
fn load_of_nothing_changes_nothing() {
    let mut registry = loaded(&[entry(1, 1)]);
    let mut recorder = Recorder::default();
    assert_eq!(registry.load(vec![], &mut recorder), Ok(()));
    assert_eq!(registry, loaded(&[entry(1, 1)]));
    assert!(recorder.published.is_empty());
}

#[test]
fn load_judges_every_entry_before_it_publishes_any() {
    let before = loaded(&[entry(1, 1)]);
    let cases = [
        (
            vec![entry(1, 2), broken(5)],
            "node 5: invalid capacity: cpu_cores, ram_mib and disk_mib are all zero; at least one must not be",
        ),
        (
            vec![entry(4, 1), entry(5, 1), entry(4, 1)],
            "node 4 is named more than once",
        ),
    ];
    for (entries, text) in cases {
        let mut registry = before.clone();
        let mut recorder = Recorder::default();
        let refusal = registry.load(entries, &mut recorder).unwrap_err();
        assert_eq!(refusal.to_string(), text);
        assert_eq!(registry, before);
        assert!(recorder.published.is_empty());
    }
}

#[test]
fn load_refused_at_any_publication_changes_nothing() {
    let before = loaded(&[entry(1, 1)]);
    let entries = vec![entry(3, 2), entry(1, 2), entry(2, 2)];
    for (publication, node_id) in [3, 1, 2].into_iter().enumerate() {
        let mut registry = before.clone();
        let mut recorder = Recorder::refusing_at(publication);
        let refusal = registry.load(entries.clone(), &mut recorder).unwrap_err();
        assert_eq!(refusal, Refusal::node(node_id, denied()));
        assert_eq!(
            refusal.to_string(),
            format!("node {node_id}: gossip label push failed: denied: not here")
        );
        assert_eq!(registry, before);
    }
}

#[test]
fn apply_puts_and_removes() {
    let mut registry = loaded(&[entry(1, 1), entry(2, 1)]);
    let mut recorder = Recorder::default();
    let changes = vec![
        Change::Put(entry(3, 9)),
        Change::Put(entry(1, 9)),
        Change::Remove(2),
    ];
    registry.apply(changes, &mut recorder).unwrap();

    assert_eq!(registry, loaded(&[entry(1, 9), entry(3, 9)]));
    assert_eq!(recorder.nodes(), [3, 1, 2]);
    assert_eq!(recorder.last_of(1), capacity_labels(&capacity(9)));
    assert_eq!(recorder.last_of(2), []);
}

#[test]
fn apply_may_remove_an_unknown_node_and_then_publishes_nothing() {
    let before = loaded(&[entry(1, 1)]);
    let cases = [
        vec![],
        vec![Change::Remove(9)],
        vec![Change::Remove(9), Change::Remove(9)],
        vec![Change::Put(entry(9, 1)), Change::Remove(9)],
    ];
    for changes in cases {
        let mut registry = before.clone();
        let mut recorder = Recorder::default();
        assert_eq!(registry.apply(changes, &mut recorder), Ok(()));
        assert_eq!(registry, before);
        assert!(recorder.published.is_empty());
    }
}

#[test]
fn of_several_changes_of_a_node_the_last_one_holds_and_is_published() {
    let cases = [
        (
            vec![Change::Put(entry(1, 2)), Change::Put(entry(1, 3))],
            Some(entry(1, 3)),
        ),
        (vec![Change::Put(entry(1, 2)), Change::Remove(1)], None),
        (
            vec![Change::Remove(1), Change::Put(entry(1, 2))],
            Some(entry(1, 2)),
        ),
        (
            vec![
                Change::Remove(1),
                Change::Put(entry(1, 2)),
                Change::Remove(1),
            ],
            None,
        ),
    ];
    for (changes, last) in cases {
        let mut registry = loaded(&[entry(1, 1)]);
        let mut recorder = Recorder::default();
        registry.apply(changes, &mut recorder).unwrap();

        assert_eq!(registry, loaded(last.as_slice()));
        let labels = last.map_or(vec![], |entry| capacity_labels(&entry.node.capacity));
        assert_eq!(recorder.published, [(1, labels)]);
    }
}

#[test]
fn apply_judges_even_a_change_that_a_later_one_overtakes() {
    let before = loaded(&[entry(1, 1)]);
    let cases = [
        vec![Change::Put(entry(2, 1)), Change::Put(broken(5))],
        vec![Change::Put(broken(5)), Change::Remove(5)],
        vec![
            Change::Remove(1),
            Change::Put(broken(5)),
            Change::Put(entry(5, 1)),
        ],
    ];
    for changes in cases {
        let mut registry = before.clone();
        let mut recorder = Recorder::default();
        let refusal = registry.apply(changes, &mut recorder).unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("node 5: invalid capacity: ")
        );
        assert_eq!(registry, before);
        assert!(recorder.published.is_empty());
    }
}

#[test]
fn apply_refused_at_any_publication_changes_nothing() {
    let before = loaded(&[entry(1, 1), entry(2, 1)]);
    let changes = vec![
        Change::Put(entry(3, 9)),
        Change::Remove(2),
        Change::Put(entry(1, 9)),
    ];
    for (publication, node_id) in [3, 2, 1].into_iter().enumerate() {
        let mut registry = before.clone();
        let mut recorder = Recorder::refusing_at(publication);
        let refusal = registry.apply(changes.clone(), &mut recorder).unwrap_err();
        assert_eq!(refusal, Refusal::node(node_id, denied()));
        assert_eq!(registry, before);
    }
}

#[test]
fn what_was_loaded_or_applied_is_enabled_and_disabled_like_any_other() {
    let mut registry = loaded(&[entry(1, 1)]);
    let mut recorder = Recorder::default();
    registry
        .apply(vec![Change::Put(entry(2, 1))], &mut recorder)
        .unwrap();
    assert_eq!(registry.add_stats(2, stats(1, 1)), Ok(stats(3, 2)));
    registry
        .enable(1, capacity(5), at(50), &mut recorder)
        .unwrap();
    assert_eq!(registry.stats(1), stats(0, 0));
    registry.disable(2, &mut recorder).unwrap();
    assert_eq!(ids(&registry), [1]);
    assert!(
        recorder
            .last_of(1)
            .iter()
            .any(|label| label.key == LABEL_CPU)
    );
}
