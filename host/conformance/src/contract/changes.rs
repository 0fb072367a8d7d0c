//! `enable`, `disable`, `add-stats` and the reads.

use std::time::Duration;

use super::super::Factory;
use super::super::subject::Broken;
use super::{at, counters, enabled, fresh, picture, same};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::labels::Labels;

pub(super) fn round_trip(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let node = enabled(subject, 7, 0)?;
    same("the node id", &node.node_id, &7)?;
    same("enabled-at", &node.enabled_at, &at(1_000))?;
    same("is-enabled", &subject.is_enabled(7)?, &true)?;
    same("the list", &subject.list_eligible()?, &vec![node])?;
    same("the answer of disable", &subject.disable(7)?, &Ok(()))?;
    same("is-enabled after disable", &subject.is_enabled(7)?, &false)?;
    same(
        "the list after disable",
        &subject.list_eligible()?,
        &Vec::new(),
    )
}

pub(super) fn disable_unknown(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let not_found = Err(EdgeCacheError::NodeNotFound(u64::MAX));
    same("disable", &subject.disable(u64::MAX)?, &not_found)?;
    enabled(subject, u64::MAX, 0)?;
    same("disable", &subject.disable(u64::MAX)?, &Ok(()))?;
    same("a second disable", &subject.disable(u64::MAX)?, &not_found)
}

pub(super) fn stats_zero(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let zero = counters(0, 0);
    enabled(subject, 1, 0)?;
    same("stats of a fresh node", &subject.stats(1)?, &zero)?;
    same("stats of an unknown node", &subject.stats(2)?, &zero)?;
    same("is-enabled after it", &subject.is_enabled(2)?, &false)?;
    let totals = subject.add_stats(1, counters(3, 4))?;
    same("add-stats", &totals, &Ok(counters(3, 4)))?;
    same("disable", &subject.disable(1)?, &Ok(()))?;
    same("stats of a disabled node", &subject.stats(1)?, &zero)?;
    enabled(subject, 1, 0)?;
    same("stats of a node that is back", &subject.stats(1)?, &zero)
}

pub(super) fn enable_again(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    enabled(subject, 1, 0)?;
    same(
        "add-stats",
        &subject.add_stats(1, counters(3, 4))?,
        &Ok(counters(3, 4)),
    )?;
    // The clock may go backwards in between; the second time holds all the same.
    subject.set_time(at(500));
    let node = enabled(subject, 1, 1)?;
    same("enabled-at", &node.enabled_at, &at(500))?;
    same("the list", &subject.list_eligible()?, &vec![node])?;
    same("stats", &subject.stats(1)?, &counters(0, 0))?;
    let other = &mut *fresh(factory)?;
    other.set_time(at(500));
    let alone = enabled(other, 1, 1)?;
    same(
        "the list, as if enabled once",
        &subject.list_eligible()?,
        &vec![alone],
    )
}

pub(super) fn ascending(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    for node_id in [300, 2, u64::MAX, 0, 2, 1 << 63, 17] {
        enabled(subject, node_id, 0)?;
    }
    let ids: Vec<u64> = subject
        .list_eligible()?
        .into_iter()
        .map(|node| node.node_id)
        .collect();
    same(
        "the listed ids",
        &ids,
        &vec![0, 2, 17, 300, 1 << 63, u64::MAX],
    )
}

/// Nodes that no call of the check [`one_entry`] names once it has begun: one registered, the others not.
const OTHERS: &[u64] = &[0, 1, 2, 4, 6, 7, 8, 9, u64::MAX];

pub(super) fn one_entry(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    enabled(subject, 4, 0)?;
    same(
        "add-stats",
        &subject.add_stats(4, counters(3, 4))?,
        &Ok(counters(3, 4)),
    )?;
    for &other in OTHERS.iter().filter(|&&other| other != 4) {
        let what = format!("what enabling node 4 publishes for node {other}");
        same(&what, &subject.labels(other), &Labels::new())?;
    }
    let before = picture(subject, OTHERS)?;
    subject.set_time(at(2_000));
    for (neighbour, nth) in [(3, 0), (5, 0), (3, 1)] {
        enabled(subject, neighbour, nth)?;
        let totals = subject.add_stats(neighbour, counters(9, 0))?;
        same("add-stats", &totals, &Ok(counters(9, 0)))?;
        let found = subject
            .list_eligible()?
            .into_iter()
            .find(|node| node.node_id == 4);
        same(
            "enabled-at of a neighbour",
            &found.map(|node| node.enabled_at),
            &Some(at(1_000)),
        )?;
        same("stats of a neighbour", &subject.stats(4)?, &counters(3, 4))?;
    }
    for neighbour in [3, 5] {
        same("disable", &subject.disable(neighbour)?, &Ok(()))?;
    }
    same("the registry", &picture(subject, OTHERS)?, &before)
}

pub(super) fn enabled_at(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    subject.set_time(at(5) + Duration::from_nanos(999_999));
    let node = enabled(subject, 1, 0)?;
    same("enabled-at", &node.enabled_at, &at(5))?;
    same("the list", &subject.list_eligible()?, &vec![node])
}

pub(super) fn add_stats(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    same(
        "add-stats of an unknown node",
        &subject.add_stats(1, counters(1, 1))?,
        &Err(EdgeCacheError::NodeNotFound(1)),
    )?;
    same("is-enabled after it", &subject.is_enabled(1)?, &false)?;
    enabled(subject, 1, 0)?;
    let steps = [
        (counters(2, 3), counters(2, 3)),
        (counters(10, 0), counters(12, 3)),
        (counters(u64::MAX, 1), counters(u64::MAX, 4)),
        (counters(1, u64::MAX), counters(u64::MAX, u64::MAX)),
    ];
    for (delta, totals) in steps {
        same("the totals", &subject.add_stats(1, delta)?, &Ok(totals))?;
        same("stats", &subject.stats(1)?, &totals)?;
    }
    Ok(())
}

pub(super) fn labels_go(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    enabled(subject, 1, 0)?;
    same("disable", &subject.disable(1)?, &Ok(()))?;
    same("the labels", &subject.labels(1), &Labels::new())
}
