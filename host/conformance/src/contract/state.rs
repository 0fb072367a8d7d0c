//! `load`, `apply`, a full registry, and `assess`: that it is pure and takes any labels.

use std::time::{Duration, SystemTime};

use super::super::Factory;
use super::super::subject::Broken;
use super::{at, counters, enabled, entry, fresh, picture, same};
use edge_cache_core::labels::Labels;
use edge_cache_core::labels::PEER_LABELS_MAX;
use edge_cache_core::{Change, Entry};

/// 9999-12-31T23:59:59.999Z, the last time that an entry may have.
const LAST: Duration = Duration::from_millis(253_402_300_799_999);

pub(super) fn load(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let mut oldest = entry(0, subject.sample(0), counters(u64::MAX, 2));
    oldest.node.enabled_at = SystemTime::UNIX_EPOCH;
    let five = entry(5, subject.sample(1), counters(3, 4));
    same("load", &subject.load(&[five, oldest.clone()])?, &Ok(()))?;
    let before = picture(subject, &[0, 5])?;
    same("load of nothing", &subject.load(&[])?, &Ok(()))?;
    same("the registry", &picture(subject, &[0, 5])?, &before)?;

    let three = entry(3, subject.sample(1), counters(5, 6));
    let mut five = entry(5, subject.sample(2), counters(0, 9));
    five.node.enabled_at = SystemTime::UNIX_EPOCH + LAST;
    let second = [five.clone(), three.clone()];
    same("a second load", &subject.load(&second)?, &Ok(()))?;
    let expected = [oldest, three, five];
    let nodes: Vec<_> = expected.iter().map(|entry| entry.node.clone()).collect();
    same("the list", &subject.list_eligible()?, &nodes)?;
    for entry in expected {
        let found = subject.stats(entry.node.node_id)?;
        same("the counters", &found, &entry.stats)?;
    }
    Ok(())
}

pub(super) fn load_labels(factory: &Factory<'_>) -> Result<(), Broken> {
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
        same("load", &answer, &Ok(()))?;
        same("the labels after load", &loaded.labels(4), &expected)?;
        let answer = put.apply(&[Change::Put(entry.clone())])?;
        same("apply", &answer, &Ok(()))?;
        same("the labels after apply", &put.labels(4), &expected)?;
    }
    Ok(())
}

pub(super) fn apply(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    // Entries are put as they are: what was counted before for their nodes is gone.
    enabled(subject, 1, 0)?;
    enabled(subject, 5, 0)?;
    let kept = enabled(subject, 8, 1)?;
    for node_id in [1, 5, 8] {
        let totals = subject.add_stats(node_id, counters(9, 9))?;
        same("add-stats", &totals, &Ok(counters(9, 9)))?;
    }
    let two = entry(2, subject.sample(0), counters(2, 2));
    let five = entry(5, subject.sample(1), counters(5, 1));
    let changes = [
        Change::Remove(9),
        Change::Put(entry(3, subject.sample(1), counters(0, 0))),
        Change::Put(entry(5, subject.sample(0), counters(5, 0))),
        Change::Put(two.clone()),
        Change::Remove(1),
        Change::Remove(3),
        Change::Put(five.clone()),
    ];
    same("apply", &subject.apply(&changes)?, &Ok(()))?;
    let expected = vec![two.node, five.node, kept];
    same("the list", &subject.list_eligible()?, &expected)?;
    same(
        "the counters of node 1",
        &subject.stats(1)?,
        &counters(0, 0),
    )?;
    same(
        "the counters of node 8",
        &subject.stats(8)?,
        &counters(9, 9),
    )?;
    same("the counters of node 2", &subject.stats(2)?, &two.stats)?;
    same("the counters of node 5", &subject.stats(5)?, &five.stats)?;
    same("the labels of node 1", &subject.labels(1), &Labels::new())?;
    same("the labels of node 3", &subject.labels(3), &Labels::new())
}

/// The labels are the component's own, so that it has something to judge, and such as no component makes.
pub(super) fn assess_pure(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    enabled(subject, 1, 0)?;
    let one = subject.labels(1);
    let other = Labels::from([("zone".to_string(), "north".to_string())]);
    for labels in [one, other, Labels::new()] {
        let subject = &mut *fresh(factory)?;
        let first = subject.assess(1, &labels)?;
        same("assess again", &subject.assess(1, &labels)?, &first)?;
        subject.set_time(at(9_999));
        enabled(subject, 1, 1)?;
        same("assess after enable", &subject.assess(1, &labels)?, &first)?;
        let totals = subject.add_stats(1, counters(7, 7))?;
        same("add-stats", &totals, &Ok(counters(7, 7)))?;
        same(
            "assess after add-stats",
            &subject.assess(1, &labels)?,
            &first,
        )?;
        same("disable", &subject.disable(1)?, &Ok(()))?;
        same("assess after disable", &subject.assess(1, &labels)?, &first)?;
        let before = picture(subject, &[1])?;
        subject.assess(1, &labels)?;
        same("the registry", &picture(subject, &[1])?, &before)?;
        let elsewhere = &mut *fresh(factory)?;
        // Nor does it matter what the other instance holds.
        enabled(elsewhere, 6, 1)?;
        same("assess elsewhere", &elsewhere.assess(1, &labels)?, &first)?;
    }
    Ok(())
}

pub(super) fn full(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let last = u64::try_from(subject.room()).unwrap_or(u64::MAX);
    let entries: Vec<Entry> = (1..=last)
        .zip(0..)
        .map(|(node_id, nth)| entry(node_id, subject.sample(nth), counters(node_id, 1)))
        .collect();
    same("load", &subject.load(&entries)?, &Ok(()))?;
    let listed = subject.list_eligible()?;
    same("the number of listed nodes", &listed.len(), &entries.len())?;
    let differing = listed
        .into_iter()
        .zip(&entries)
        .find(|(found, entry)| *found != entry.node);
    if let Some((found, entry)) = differing {
        same("a listed node", &found, &entry.node)?;
    }
    same(
        "the counters of the last node",
        &subject.stats(last)?,
        &counters(last, 1),
    )
}

/// Each of the component's own labels in turn says something that only other software would write.
pub(super) fn assess_strange(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    enabled(subject, 1, 0)?;
    let own = subject.labels(1);
    let long = "9".repeat(1_024);
    let strange = [
        "",
        " ",
        "-1",
        "1.5",
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
        let subject = &mut *fresh(factory)?;
        let first = subject
            .assess(1, &labels)
            .map_err(|broken| format!("with {what}: {broken}"))?;
        let again = subject.assess(1, &labels)?;
        same(&format!("assess again with {what}"), &again, &first)?;
    }
    Ok(())
}
