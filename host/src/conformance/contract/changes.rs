//! `enable`, `disable`, `add-stats` and the reads.

use super::super::Factory;
use super::super::subject::Broken;
use super::{at, capacity, counters, fresh, same};
use crate::EdgeCacheError;
use crate::labels::Labels;
use crate::types::EdgeCacheNode;

pub(super) fn round_trip(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let expected = EdgeCacheNode {
        node_id: 7,
        capacity: capacity(102_400),
        enabled_at: at(1_000),
    };
    let answered = subject.enable(7, &capacity(102_400))?;
    same("the answer of enable", &answered, &Ok(expected.clone()))?;
    same("is-enabled", &subject.is_enabled(7)?, &true)?;
    same("the list", &subject.list_eligible()?, &vec![expected])?;
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
    same(
        "enable",
        &subject.enable(u64::MAX, &capacity(1))?.map(drop),
        &Ok(()),
    )?;
    same("disable", &subject.disable(u64::MAX)?, &Ok(()))?;
    same("a second disable", &subject.disable(u64::MAX)?, &not_found)
}

pub(super) fn stats_zero(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    same(
        "enable",
        &subject.enable(1, &capacity(1))?.map(drop),
        &Ok(()),
    )?;
    same("stats of a fresh node", &subject.stats(1)?, &counters(0, 0))?;
    same(
        "stats of an unknown node",
        &subject.stats(2)?,
        &counters(0, 0),
    )
}

pub(super) fn enable_again(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    same(
        "enable",
        &subject.enable(1, &capacity(1))?.map(drop),
        &Ok(()),
    )?;
    same(
        "add-stats",
        &subject.add_stats(1, counters(3, 4))?,
        &Ok(counters(3, 4)),
    )?;
    subject.set_time(at(2_000));
    let expected = EdgeCacheNode {
        node_id: 1,
        capacity: capacity(2),
        enabled_at: at(2_000),
    };
    let answered = subject.enable(1, &capacity(2))?;
    same("the second enable", &answered, &Ok(expected.clone()))?;
    same("the list", &subject.list_eligible()?, &vec![expected])?;
    same("stats", &subject.stats(1)?, &counters(0, 0))
}

pub(super) fn ascending(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    for node_id in [300, 2, u64::MAX, 0, 2, 17] {
        same(
            "enable",
            &subject.enable(node_id, &capacity(1))?.map(drop),
            &Ok(()),
        )?;
    }
    let ids: Vec<u64> = subject
        .list_eligible()?
        .into_iter()
        .map(|node| node.node_id)
        .collect();
    same("the listed ids", &ids, &vec![0, 2, 17, 300, u64::MAX])
}

pub(super) fn enabled_at(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    subject.set_time(at(5) + std::time::Duration::from_nanos(999_999));
    let node = subject
        .enable(1, &capacity(1))?
        .map_err(|error| error.to_string())?;
    same("enabled-at", &node.enabled_at, &at(5))
}

pub(super) fn add_stats(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    same(
        "add-stats of an unknown node",
        &subject.add_stats(1, counters(1, 1))?,
        &Err(EdgeCacheError::NodeNotFound(1)),
    )?;
    same(
        "enable",
        &subject.enable(1, &capacity(1))?.map(drop),
        &Ok(()),
    )?;
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
    same(
        "enable",
        &subject.enable(1, &capacity(1))?.map(drop),
        &Ok(()),
    )?;
    same("disable", &subject.disable(1)?, &Ok(()))?;
    same("the labels", &subject.labels(1), &Labels::new())
}
