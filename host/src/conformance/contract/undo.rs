//! On any error nothing has changed: not the state, not the labels.

use super::super::Factory;
use super::super::subject::{Broken, Subject};
use super::{capacity, counters, entry, fresh, picture, same};
use crate::EdgeCacheError;
use crate::types::{Change, NodeCapacity};

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
            other => return Err(format!("enable must be invalid-capacity, found {other:?}")),
        }
        same("the registry", &picture(subject, NODES)?, &before)?;
    }
    Ok(())
}

pub(super) fn enable(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *filled(factory)?;
    let before = picture(subject, NODES)?;
    subject.refuse_labels();
    for node_id in [1, 3] {
        let answer = subject.enable(node_id, &capacity(99))?.map(drop);
        gossip_error("enable", &answer)?;
        same("the registry", &picture(subject, NODES)?, &before)?;
    }
    subject.accept_labels();
    same(
        "enable after it",
        &subject.enable(3, &capacity(99))?.map(drop),
        &Ok(()),
    )
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
    let before = picture(subject, NODES)?;
    subject.refuse_labels();
    let entries = [entry(1, 70, counters(7, 7)), entry(3, 71, counters(8, 8))];
    if subject.load(&entries)?.is_ok() {
        return Err("load must be refused".to_string());
    }
    same(
        "the registry after load",
        &picture(subject, NODES)?,
        &before,
    )?;
    let [first, _] = entries;
    if subject
        .apply(&[Change::Put(first), Change::Remove(2)])?
        .is_ok()
    {
        return Err("apply must be refused".to_string());
    }
    same(
        "the registry after apply",
        &picture(subject, NODES)?,
        &before,
    )
}

/// Nodes 1 and 2, with counters.
fn filled(factory: &Factory<'_>) -> Result<Box<dyn Subject>, Broken> {
    let mut subject = fresh(factory)?;
    for node_id in [1, 2] {
        let answer = subject.enable(node_id, &capacity(10 + node_id))?;
        same("enable", &answer.map(drop), &Ok(()))?;
        let totals = subject.add_stats(node_id, counters(1, 2))?;
        same("add-stats", &totals, &Ok(counters(1, 2)))?;
    }
    Ok(subject)
}

fn gossip_error(call: &str, answer: &Result<(), EdgeCacheError>) -> Result<(), Broken> {
    match answer {
        Err(EdgeCacheError::Gossip(_)) => Ok(()),
        other => Err(format!("{call} must be a gossip error, found {other:?}")),
    }
}
