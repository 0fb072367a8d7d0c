//! Checks of `load`, `apply`, a full registry, and `assess`, which must be pure and accept any labels.

use std::time::{Duration, SystemTime};

use crate::check::Factory;
use crate::describe::expect_eq;
use crate::fixture::{at, counted, counters, enabled, entry, fresh};
use crate::registry::Violation;
use crate::snapshot::snapshot;
use edge_cache_core::labels::Labels;
use edge_cache_core::labels::PEER_LABELS_MAX;
use edge_cache_core::{Change, Entry};

/// 9999-12-31T23:59:59.999Z, the latest `enabled-at` that the contract allows.
const LAST: Duration = Duration::from_millis(253_402_300_799_999);

pub(super) fn load(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let mut oldest = entry(0, registry.sample(0), counters(u64::MAX, 2));
    oldest.node.enabled_at = SystemTime::UNIX_EPOCH;
    let five = entry(5, registry.sample(1), counters(3, 4));
    expect_eq("load", &registry.load(&[five, oldest.clone()])?, &Ok(()))?;
    let before = snapshot(registry, &[0, 5])?;
    expect_eq("load of nothing", &registry.load(&[])?, &Ok(()))?;
    expect_eq("the registry", &snapshot(registry, &[0, 5])?, &before)?;

    let three = entry(3, registry.sample(1), counters(5, 6));
    let mut five = entry(5, registry.sample(2), counters(0, 9));
    five.node.enabled_at = SystemTime::UNIX_EPOCH + LAST;
    let second = [five.clone(), three.clone()];
    expect_eq("a second load", &registry.load(&second)?, &Ok(()))?;
    let expected = [oldest, three, five];
    let nodes: Vec<_> = expected.iter().map(|entry| entry.node.clone()).collect();
    expect_eq("the list", &registry.list_eligible()?, &nodes)?;
    for entry in expected {
        let found = registry.stats(entry.node.node_id)?;
        expect_eq("the counters", &found, &entry.stats)?;
    }
    Ok(())
}

pub(super) fn load_labels(factory: &Factory<'_>) -> Result<(), Violation> {
    let first = &mut *fresh(factory)?;
    let node = enabled(first, 4, 0)?;
    let expected = first.labels(4);
    let stats = counters(1, 1);
    let entry = Entry { node, stats };
    for was_enabled in [false, true] {
        let loaded = &mut *fresh(factory)?;
        let put = &mut *fresh(factory)?;
        if was_enabled {
            enabled(loaded, 4, 1)?;
            enabled(put, 4, 1)?;
        }
        let answer = loaded.load(std::slice::from_ref(&entry))?;
        expect_eq("load", &answer, &Ok(()))?;
        expect_eq("the labels after load", &loaded.labels(4), &expected)?;
        let answer = put.apply(&[Change::Put(entry.clone())])?;
        expect_eq("apply", &answer, &Ok(()))?;
        expect_eq("the labels after apply", &put.labels(4), &expected)?;
    }
    Ok(())
}

pub(super) fn apply(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    // A put entry replaces the counters of its node.
    enabled(registry, 1, 0)?;
    enabled(registry, 5, 0)?;
    let kept = enabled(registry, 8, 1)?;
    for node_id in [1, 5, 8] {
        counted(registry, node_id, counters(9, 9))?;
    }
    let two = entry(2, registry.sample(0), counters(2, 2));
    let five = entry(5, registry.sample(1), counters(5, 1));
    let changes = [
        Change::Remove(9),
        Change::Put(entry(3, registry.sample(1), counters(0, 0))),
        Change::Put(entry(5, registry.sample(0), counters(5, 0))),
        Change::Put(two.clone()),
        Change::Remove(1),
        Change::Remove(3),
        Change::Put(five.clone()),
    ];
    expect_eq("apply", &registry.apply(&changes)?, &Ok(()))?;
    let expected = vec![two.node, five.node, kept];
    expect_eq("the list", &registry.list_eligible()?, &expected)?;
    let found = registry.stats(1)?;
    expect_eq("the counters of node 1", &found, &counters(0, 0))?;
    let found = registry.stats(8)?;
    expect_eq("the counters of node 8", &found, &counters(9, 9))?;
    expect_eq("the counters of node 2", &registry.stats(2)?, &two.stats)?;
    expect_eq("the counters of node 5", &registry.stats(5)?, &five.stats)?;
    expect_eq("the labels of node 1", &registry.labels(1), &Labels::new())?;
    expect_eq("the labels of node 3", &registry.labels(3), &Labels::new())
}

/// Assesses the plugin's own labels, labels of other software, and none.
pub(super) fn assess_pure(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enabled(registry, 1, 0)?;
    let one = registry.labels(1);
    let other = Labels::from([("zone".to_string(), "north".to_string())]);
    for labels in [one, other, Labels::new()] {
        let registry = &mut *fresh(factory)?;
        let first = registry.assess(1, &labels)?;
        expect_eq("assess again", &registry.assess(1, &labels)?, &first)?;
        registry.set_time(at(9_999));
        enabled(registry, 1, 1)?;
        expect_eq("assess after enable", &registry.assess(1, &labels)?, &first)?;
        counted(registry, 1, counters(7, 7))?;
        let found = registry.assess(1, &labels)?;
        expect_eq("assess after add-stats", &found, &first)?;
        expect_eq("disable", &registry.disable(1)?, &Ok(()))?;
        let found = registry.assess(1, &labels)?;
        expect_eq("assess after disable", &found, &first)?;
        let before = snapshot(registry, &[1])?;
        registry.assess(1, &labels)?;
        expect_eq("the registry", &snapshot(registry, &[1])?, &before)?;
        let elsewhere = &mut *fresh(factory)?;
        // The entries of another instance must not matter either.
        enabled(elsewhere, 6, 1)?;
        expect_eq("assess elsewhere", &elsewhere.assess(1, &labels)?, &first)?;
    }
    Ok(())
}

pub(super) fn full(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let last = u64::try_from(registry.nodes_max()).unwrap_or(u64::MAX);
    let entries: Vec<Entry> = (1..=last)
        .zip(0..)
        .map(|(node_id, nth)| entry(node_id, registry.sample(nth), counters(node_id, 1)))
        .collect();
    expect_eq("load", &registry.load(&entries)?, &Ok(()))?;
    let listed = registry.list_eligible()?;
    expect_eq("the number of listed nodes", &listed.len(), &entries.len())?;
    let differing = listed
        .into_iter()
        .zip(&entries)
        .find(|(found, entry)| *found != entry.node);
    if let Some((found, entry)) = differing {
        expect_eq("a listed node", &found, &entry.node)?;
    }
    let found = registry.stats(last)?;
    expect_eq("the counters of the last node", &found, &counters(last, 1))
}

/// Gives each of the plugin's own labels in turn a value that only other software would write.
pub(super) fn assess_strange(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enabled(registry, 1, 0)?;
    let own = registry.labels(1);
    let long = "9".repeat(1_024);
    let strange = [
        "",
        " ",
        "-1",
        "1.5",
        // Numbers, but no weights.
        "0",
        "4294967295",
        "true",
        "\u{202e}\u{0}",
        "\u{1f980}",
        &long,
    ];
    let mut cases: Vec<(String, Labels)> = Vec::new();
    for key in own.keys() {
        for value in strange {
            let mut labels = own.clone();
            labels.insert(key.clone(), value.to_string());
            cases.push((format!("`{key}` = {:.20?}", value), labels));
        }
        let mut labels = own.clone();
        labels.remove(key);
        cases.push((format!("no `{key}`"), labels));
    }
    let many = (0..PEER_LABELS_MAX.saturating_sub(own.len()))
        .map(|n| (format!("other_{n}"), "x".repeat(100)))
        .chain(own)
        .collect();
    cases.push((format!("{PEER_LABELS_MAX} labels"), many));
    for (what, labels) in cases {
        let registry = &mut *fresh(factory)?;
        let first = registry
            .assess(1, &labels)
            .map_err(|violation| format!("with {what}: {violation}"))?;
        let again = registry.assess(1, &labels)?;
        expect_eq(&format!("assess again with {what}"), &again, &first)?;
    }
    Ok(())
}
