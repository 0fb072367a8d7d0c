//! Checks of `enable`, `disable`, `add-stats` and the reads.

use std::time::Duration;

use crate::check::Factory;
use crate::describe::expect_eq;
use crate::fixture::{at, counted, counters, enabled, fresh};
use crate::registry::Violation;
use crate::snapshot::snapshot;
use edge_cache_core::EdgeCacheError;
use edge_cache_core::labels::Labels;

pub(super) fn round_trip(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let node = enabled(registry, 7, 0)?;
    expect_eq("the node id", &node.node_id, &7)?;
    expect_eq("enabled-at", &node.enabled_at, &at(1_000))?;
    expect_eq("is-enabled", &registry.is_enabled(7)?, &true)?;
    expect_eq("the list", &registry.list_eligible()?, &vec![node])?;
    expect_eq("the answer of disable", &registry.disable(7)?, &Ok(()))?;
    expect_eq("is-enabled after disable", &registry.is_enabled(7)?, &false)?;
    let found = registry.list_eligible()?;
    expect_eq("the list after disable", &found, &Vec::new())
}

pub(super) fn disable_unknown(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let not_found = Err(EdgeCacheError::NodeNotFound(u64::MAX));
    expect_eq("disable", &registry.disable(u64::MAX)?, &not_found)?;
    enabled(registry, u64::MAX, 0)?;
    expect_eq("disable", &registry.disable(u64::MAX)?, &Ok(()))?;
    expect_eq("a second disable", &registry.disable(u64::MAX)?, &not_found)
}

pub(super) fn stats_zero(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let zero = counters(0, 0);
    enabled(registry, 1, 0)?;
    expect_eq("stats of a fresh node", &registry.stats(1)?, &zero)?;
    expect_eq("stats of an unknown node", &registry.stats(2)?, &zero)?;
    expect_eq("is-enabled after it", &registry.is_enabled(2)?, &false)?;
    counted(registry, 1, counters(3, 4))?;
    expect_eq("disable", &registry.disable(1)?, &Ok(()))?;
    expect_eq("stats of a disabled node", &registry.stats(1)?, &zero)?;
    enabled(registry, 1, 0)?;
    expect_eq("stats of a node that is back", &registry.stats(1)?, &zero)
}

pub(super) fn enable_again(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enabled(registry, 1, 0)?;
    counted(registry, 1, counters(3, 4))?;
    // The clock goes backwards in between: the time of the last call counts.
    registry.set_time(at(500));
    let node = enabled(registry, 1, 1)?;
    expect_eq("enabled-at", &node.enabled_at, &at(500))?;
    expect_eq("the list", &registry.list_eligible()?, &vec![node])?;
    expect_eq("stats", &registry.stats(1)?, &counters(0, 0))?;
    let other = &mut *fresh(factory)?;
    other.set_time(at(500));
    let alone = enabled(other, 1, 1)?;
    let found = registry.list_eligible()?;
    expect_eq("the list, as if enabled once", &found, &vec![alone])
}

pub(super) fn ascending(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    for node_id in [300, 2, u64::MAX, 0, 2, 1 << 63, 17] {
        enabled(registry, node_id, 0)?;
    }
    let ids: Vec<u64> = registry
        .list_eligible()?
        .into_iter()
        .map(|node| node.node_id)
        .collect();
    let found = ids;
    expect_eq(
        "the listed ids",
        &found,
        &vec![0, 2, 17, 300, 1 << 63, u64::MAX],
    )
}

/// Nodes that the check [`one_entry`] does not change: node 4 is registered, the others are not.
const OTHERS: &[u64] = &[0, 1, 2, 4, 6, 7, 8, 9, u64::MAX];

pub(super) fn one_entry(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enabled(registry, 4, 0)?;
    counted(registry, 4, counters(3, 4))?;
    for &other in OTHERS.iter().filter(|&&other| other != 4) {
        let what = format!("what enabling node 4 publishes for node {other}");
        expect_eq(&what, &registry.labels(other), &Labels::new())?;
    }
    let before = snapshot(registry, OTHERS)?;
    registry.set_time(at(2_000));
    for (neighbour, nth) in [(3, 0), (5, 0), (3, 1)] {
        enabled(registry, neighbour, nth)?;
        counted(registry, neighbour, counters(9, 0))?;
        let found = registry
            .list_eligible()?
            .into_iter()
            .find(|node| node.node_id == 4);
        let found = found.map(|node| node.enabled_at);
        expect_eq("enabled-at of a neighbour", &found, &Some(at(1_000)))?;
        expect_eq("stats of a neighbour", &registry.stats(4)?, &counters(3, 4))?;
    }
    for neighbour in [3, 5] {
        expect_eq("disable", &registry.disable(neighbour)?, &Ok(()))?;
    }
    expect_eq("the registry", &snapshot(registry, OTHERS)?, &before)
}

pub(super) fn enabled_at(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    registry.set_time(at(5) + Duration::from_nanos(999_999));
    let node = enabled(registry, 1, 0)?;
    expect_eq("enabled-at", &node.enabled_at, &at(5))?;
    expect_eq("the list", &registry.list_eligible()?, &vec![node])
}

pub(super) fn add_stats(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let found = registry.add_stats(1, counters(1, 1))?;
    expect_eq(
        "add-stats of an unknown node",
        &found,
        &Err(EdgeCacheError::NodeNotFound(1)),
    )?;
    expect_eq("is-enabled after it", &registry.is_enabled(1)?, &false)?;
    enabled(registry, 1, 0)?;
    let steps = [
        (counters(2, 3), counters(2, 3)),
        (counters(10, 0), counters(12, 3)),
        (counters(u64::MAX, 1), counters(u64::MAX, 4)),
        (counters(1, u64::MAX), counters(u64::MAX, u64::MAX)),
    ];
    for (delta, totals) in steps {
        expect_eq("the totals", &registry.add_stats(1, delta)?, &Ok(totals))?;
        expect_eq("stats", &registry.stats(1)?, &totals)?;
    }
    Ok(())
}

pub(super) fn labels_go(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enabled(registry, 1, 0)?;
    expect_eq("disable", &registry.disable(1)?, &Ok(()))?;
    expect_eq("the labels", &registry.labels(1), &Labels::new())
}
