//! `load`, `apply` and the purity of `assess`.

use std::time::{Duration, SystemTime};

use super::super::Factory;
use super::super::subject::Broken;
use super::{at, counters, enabled, entry, fresh, picture, same};
use crate::labels::Labels;
use crate::types::{Change, Entry};

/// 9999-12-31T23:59:59.999Z, the last time that an entry may have.
const LAST: Duration = Duration::from_millis(253_402_300_799_999);

pub(super) fn load(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let mut oldest = entry(0, 10, counters(u64::MAX, 2));
    oldest.node.enabled_at = SystemTime::UNIX_EPOCH;
    let five = entry(5, 50, counters(3, 4));
    same("load", &subject.load(&[five, oldest.clone()])?, &Ok(()))?;
    let before = picture(subject, &[0, 5])?;
    same("load of nothing", &subject.load(&[])?, &Ok(()))?;
    same("the registry", &picture(subject, &[0, 5])?, &before)?;

    let three = entry(3, 30, counters(5, 6));
    let mut five = entry(5, 51, counters(0, 9));
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
    let node = enabled(first, 4, 40)?;
    let expected = first.labels(4);
    let stats = counters(1, 1);
    let entry = Entry { node, stats };
    for was_enabled in [false, true] {
        let loaded = &mut *fresh(factory)?;
        let put = &mut *fresh(factory)?;
        if was_enabled {
            enabled(loaded, 4, 10)?;
            enabled(put, 4, 10)?;
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
    enabled(subject, 1, 10)?;
    enabled(subject, 5, 10)?;
    let kept = enabled(subject, 8, 80)?;
    for node_id in [1, 5, 8] {
        let totals = subject.add_stats(node_id, counters(9, 9))?;
        same("add-stats", &totals, &Ok(counters(9, 9)))?;
    }
    let two = entry(2, 20, counters(2, 2));
    let five = entry(5, 51, counters(5, 1));
    let changes = [
        Change::Remove(9),
        Change::Put(entry(3, 30, counters(0, 0))),
        Change::Put(entry(5, 50, counters(5, 0))),
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
    enabled(subject, 1, 500_000)?;
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
        enabled(elsewhere, 6, 6)?;
        same("assess elsewhere", &elsewhere.assess(1, &labels)?, &first)?;
    }
    Ok(())
}
