//! Checks that a call with an error changes neither the state nor the labels.

use crate::check::Factory;
use crate::describe::{Describe, expect_eq};
use crate::fixture::{counted, counters, enabled, entry, fresh};
use crate::registry::{OWN_NODE, RegistryUnderTest, Violation};
use crate::snapshot::snapshot;
use edge_cache_core::EdgeCacheError;
use edge_cache_core::{Change, Entry, NodeCapacity};

const NODES: &[u64] = &[1, 2, 3];

pub(super) fn invalid_capacity(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *filled(factory)?;
    let before = snapshot(registry, NODES)?;
    let nothing = NodeCapacity {
        cpu_cores: 0,
        ram_mib: 0,
        disk_mib: 0,
        geo: None,
    };
    for node_id in [1, 3] {
        match registry.enable(node_id, &nothing)? {
            Err(EdgeCacheError::InvalidCapacity(_)) => {}
            other => {
                return Err(format!(
                    "enable of nothing must be invalid-capacity, found {}",
                    other.describe()
                ));
            }
        }
        expect_eq("the registry", &snapshot(registry, NODES)?, &before)?;
    }
    Ok(())
}

pub(super) fn enable(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *filled(factory)?;
    let before = snapshot(registry, NODES)?;
    let other = registry.sample(1);
    registry.refuse_labels();
    for node_id in [1, 3] {
        let answer = registry.enable(node_id, &other)?.map(drop);
        gossip_error("enable", &answer)?;
        expect_eq("the registry", &snapshot(registry, NODES)?, &before)?;
    }
    registry.accept_labels();
    enabled(registry, 3, 1).map(drop)
}

pub(super) fn disable(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *filled(factory)?;
    let before = snapshot(registry, NODES)?;
    registry.refuse_labels();
    gossip_error("disable", &registry.disable(1)?)?;
    expect_eq("the registry", &snapshot(registry, NODES)?, &before)?;
    registry.accept_labels();
    expect_eq("disable after it", &registry.disable(1)?, &Ok(()))
}

pub(super) fn load_and_apply(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *filled(factory)?;
    registry.refuse_labels();
    refuses_both(registry, &[1, 3])?;
    let before = snapshot(registry, NODES)?;
    let removal = [Change::Remove(1)];
    if registry.apply(&removal)?.is_ok() {
        return Err("apply of a removal must be refused".to_string());
    }
    expect_eq("the registry", &snapshot(registry, NODES)?, &before)?;
    registry.accept_labels();
    expect_eq("apply after it", &registry.apply(&removal)?, &Ok(()))
}

/// Puts the refused node between two others, so that in any order some node comes before it.
pub(super) fn half(factory: &Factory<'_>) -> Result<(), Violation> {
    for nodes in [[1, OWN_NODE, 3], [3, OWN_NODE, 1]] {
        let registry = &mut *filled(factory)?;
        registry.refuse_own_labels();
        refuses_both(registry, &nodes)?;
        registry.accept_labels();
        let entries = entries(registry, &nodes);
        expect_eq("load after it", &registry.load(&entries)?, &Ok(()))?;
    }
    Ok(())
}

/// Expects `load` and `apply` of new entries for these nodes to be refused.
fn refuses_both(registry: &mut dyn RegistryUnderTest, nodes: &[u64]) -> Result<(), Violation> {
    let before = snapshot(registry, NODES)?;
    let entries = entries(registry, nodes);
    if registry.load(&entries)?.is_ok() {
        return Err("load must be refused".to_string());
    }
    let found = snapshot(registry, NODES)?;
    expect_eq("the registry after load", &found, &before)?;
    let changes: Vec<_> = entries.into_iter().map(Change::Put).collect();
    if registry.apply(&changes)?.is_ok() {
        return Err("apply must be refused".to_string());
    }
    let found = snapshot(registry, NODES)?;
    expect_eq("the registry after apply", &found, &before)
}

fn entries(registry: &dyn RegistryUnderTest, nodes: &[u64]) -> Vec<Entry> {
    nodes
        .iter()
        .map(|&node_id| entry(node_id, registry.sample(1), counters(7, 7)))
        .collect()
}

/// Makes a registry with nodes 1 and 2, both with counters.
fn filled(factory: &Factory<'_>) -> Result<Box<dyn RegistryUnderTest>, Violation> {
    let mut registry = fresh(factory)?;
    for node_id in [1, 2] {
        enabled(&mut *registry, node_id, 0)?;
        counted(&mut *registry, node_id, counters(1, 2))?;
    }
    Ok(registry)
}

/// Skips the checks of plugins that publish no labels for a sample node: none could be refused.
pub(super) fn publishes_nothing(factory: &Factory<'_>) -> Result<Option<&'static str>, Violation> {
    let is_silent = filled(factory)?.labels(1).is_empty();
    Ok(is_silent.then_some("it publishes no labels that could be refused"))
}

fn gossip_error(call: &str, answer: &Result<(), EdgeCacheError>) -> Result<(), Violation> {
    match answer {
        Err(EdgeCacheError::Gossip(_)) => Ok(()),
        other => Err(format!(
            "{call} must be a gossip error, found {}",
            other.describe()
        )),
    }
}
