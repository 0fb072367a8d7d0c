//! `load`, `apply` and the purity of `assess`.

use super::super::Factory;
use super::super::subject::Broken;
use super::{at, capacity, counters, entry, fresh, same};
use crate::labels::Labels;
use crate::types::Change;

pub(super) fn load(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let first = [entry(1, 10, counters(1, 2)), entry(5, 50, counters(3, 4))];
    same("load", &subject.load(&first)?, &Ok(()))?;
    let second = [entry(3, 30, counters(5, 6)), entry(5, 51, counters(0, 9))];
    same("a second load", &subject.load(&second)?, &Ok(()))?;
    let [one, _] = first;
    let [three, five] = second;
    let expected = [one, three, five];
    let nodes: Vec<_> = expected.iter().map(|entry| entry.node.clone()).collect();
    same("the list", &subject.list_eligible()?, &nodes)?;
    for entry in expected {
        let found = subject.stats(entry.node.node_id)?;
        same("the counters", &found, &entry.stats)?;
    }
    Ok(())
}

pub(super) fn load_labels(factory: &Factory<'_>) -> Result<(), Broken> {
    let enabled = &mut *fresh(factory)?;
    same(
        "enable",
        &enabled.enable(4, &capacity(40))?.map(drop),
        &Ok(()),
    )?;
    let loaded = &mut *fresh(factory)?;
    same(
        "load",
        &loaded.load(&[entry(4, 40, counters(0, 0))])?,
        &Ok(()),
    )?;
    same("the labels", &loaded.labels(4), &enabled.labels(4))
}

pub(super) fn apply(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    same(
        "enable",
        &subject.enable(1, &capacity(10))?.map(drop),
        &Ok(()),
    )?;
    let two = entry(2, 20, counters(2, 2));
    let changes = [
        Change::Remove(9),
        Change::Put(entry(3, 30, counters(0, 0))),
        Change::Put(two.clone()),
        Change::Remove(1),
        Change::Remove(3),
    ];
    same("apply", &subject.apply(&changes)?, &Ok(()))?;
    same(
        "the list",
        &subject.list_eligible()?,
        &vec![two.node.clone()],
    )?;
    same("the counters", &subject.stats(2)?, &two.stats)?;
    same("the labels of node 1", &subject.labels(1), &Labels::new())?;
    same("the labels of node 3", &subject.labels(3), &Labels::new())
}

/// The labels are the component's own, so that it has something to judge.
pub(super) fn assess_pure(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    same(
        "enable",
        &subject.enable(1, &capacity(500_000))?.map(drop),
        &Ok(()),
    )?;
    let labels = subject.labels(1);
    let first = subject.assess(1, &labels)?;
    same("assess again", &subject.assess(1, &labels)?, &first)?;
    subject.set_time(at(9_999));
    same("disable", &subject.disable(1)?, &Ok(()))?;
    same("assess after disable", &subject.assess(1, &labels)?, &first)?;
    same(
        "assess of no labels",
        &subject.assess(1, &Labels::new())?,
        &None,
    )?;
    let other = &mut *fresh(factory)?;
    same("assess elsewhere", &other.assess(1, &labels)?, &first)
}
