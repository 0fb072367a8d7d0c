//! On any error nothing has changed: not the state, not the labels.

use super::super::Factory;
use super::super::subject::{Broken, OWN_NODE, Subject};
use super::super::words::Words;
use super::{counters, enabled, entry, fresh, picture, same};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::{Change, Entry, NodeCapacity};

const NODES: &[u64] = &[1, 2, 3];

pub(super) fn invalid_capacity(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *filled(factory)?;
    let before = picture(subject, NODES)?;
    let nothing = NodeCapacity {
        cpu_cores: 0,
        ram_mib: 0,
        disk_mib: 0,
        geo: None,
    };
    for node_id in [1, 3] {
        match subject.enable(node_id, &nothing)? {
            Err(EdgeCacheError::InvalidCapacity(_)) => {}
            other => {
                return Err(format!(
                    "enable of nothing must be invalid-capacity, found {}",
                    other.words()
                ));
            }
        }
        same("the registry", &picture(subject, NODES)?, &before)?;
    }
    Ok(())
}

pub(super) fn enable(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *filled(factory)?;
    let before = picture(subject, NODES)?;
    let other = subject.sample(1);
    subject.refuse_labels();
    for node_id in [1, 3] {
        let answer = subject.enable(node_id, &other)?.map(drop);
        gossip_error("enable", &answer)?;
        same("the registry", &picture(subject, NODES)?, &before)?;
    }
    subject.accept_labels();
    enabled(subject, 3, 1).map(drop)
}

pub(super) fn disable(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *filled(factory)?;
    let before = picture(subject, NODES)?;
    subject.refuse_labels();
    gossip_error("disable", &subject.disable(1)?)?;
    same("the registry", &picture(subject, NODES)?, &before)?;
    subject.accept_labels();
    same("disable after it", &subject.disable(1)?, &Ok(()))
}

pub(super) fn load_and_apply(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *filled(factory)?;
    subject.refuse_labels();
    refuses_both(subject, &[1, 3])?;
    let before = picture(subject, NODES)?;
    let removal = [Change::Remove(1)];
    if subject.apply(&removal)?.is_ok() {
        return Err("apply of a removal must be refused".to_string());
    }
    same("the registry", &picture(subject, NODES)?, &before)?;
    subject.accept_labels();
    same("apply after it", &subject.apply(&removal)?, &Ok(()))
}

/// Whatever the order in which a component goes about it, some node comes before the refused one.
pub(super) fn half(factory: &Factory<'_>) -> Result<(), Broken> {
    for nodes in [[1, OWN_NODE, 3], [3, OWN_NODE, 1]] {
        let subject = &mut *filled(factory)?;
        subject.refuse_own_labels();
        refuses_both(subject, &nodes)?;
        subject.accept_labels();
        let entries = entries(subject, &nodes);
        same("load after it", &subject.load(&entries)?, &Ok(()))?;
    }
    Ok(())
}

/// Loads and applies new entries for these nodes, both in vain.
fn refuses_both(subject: &mut dyn Subject, nodes: &[u64]) -> Result<(), Broken> {
    let before = picture(subject, NODES)?;
    let entries = entries(subject, nodes);
    if subject.load(&entries)?.is_ok() {
        return Err("load must be refused".to_string());
    }
    let found = picture(subject, NODES)?;
    same("the registry after load", &found, &before)?;
    let changes: Vec<_> = entries.into_iter().map(Change::Put).collect();
    if subject.apply(&changes)?.is_ok() {
        return Err("apply must be refused".to_string());
    }
    let found = picture(subject, NODES)?;
    same("the registry after apply", &found, &before)
}

fn entries(subject: &dyn Subject, nodes: &[u64]) -> Vec<Entry> {
    nodes
        .iter()
        .map(|&node_id| entry(node_id, subject.sample(1), counters(7, 7)))
        .collect()
}

/// Nodes 1 and 2, with counters.
fn filled(factory: &Factory<'_>) -> Result<Box<dyn Subject>, Broken> {
    let mut subject = fresh(factory)?;
    for node_id in [1, 2] {
        enabled(&mut *subject, node_id, 0)?;
        let totals = subject.add_stats(node_id, counters(1, 2))?;
        same("add-stats", &totals, &Ok(counters(1, 2)))?;
    }
    Ok(subject)
}

/// A component that publishes nothing for a node like those here has nothing that could be refused.
pub(super) fn publishes_nothing(factory: &Factory<'_>) -> Result<Option<&'static str>, Broken> {
    let is_silent = filled(factory)?.labels(1).is_empty();
    Ok(is_silent.then_some("it publishes no labels that could be refused"))
}

fn gossip_error(call: &str, answer: &Result<(), EdgeCacheError>) -> Result<(), Broken> {
    match answer {
        Err(EdgeCacheError::Gossip(_)) => Ok(()),
        other => Err(format!(
            "{call} must be a gossip error, found {}",
            other.words()
        )),
    }
}
