//! What every component must do, whatever its policy.
//!
//! A policy may give a node another capacity than the one asked for, and chooses the labels. So what these
//! checks compare with is what the component itself has answered.

mod changes;
mod state;
mod undo;

use std::time::{Duration, SystemTime};

use super::subject::{Broken, Subject};
use super::words::{NodePicture, Picture, Words};
use super::{Check, Factory, Settings};
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};

/// The checks for every component.
pub const CONTRACT: &[Check] = &[
    Check {
        name: "round-trip",
        what: "an enabled node is registered with all its fields, and a disabled one is not any more",
        inapplicable: super::never,
        run: changes::round_trip,
    },
    Check {
        name: "disable-unknown",
        what: "disabling a node that is not registered is node-not-found with its id, so also the second time",
        inapplicable: super::never,
        run: changes::disable_unknown,
    },
    Check {
        name: "stats-zero",
        what: "the counters of a fresh node, of an unknown one and of a disabled one are zero",
        inapplicable: super::never,
        run: changes::stats_zero,
    },
    Check {
        name: "enable-again",
        what: "enabling again overwrites capacity and enabled-at, and the counters go back to zero",
        inapplicable: super::never,
        run: changes::enable_again,
    },
    Check {
        name: "ascending",
        what: "the list is in ascending order of node id, each node once",
        inapplicable: super::never,
        run: changes::ascending,
    },
    Check {
        name: "one-entry",
        what: "a call changes only the entry that it names, and publishes for that node only",
        inapplicable: super::never,
        run: changes::one_entry,
    },
    Check {
        name: "enabled-at",
        what: "enabled-at is the wall clock's time of the call, cut to milliseconds",
        inapplicable: super::never,
        run: changes::enabled_at,
    },
    Check {
        name: "add-stats",
        what: "counters add up, stay at their largest value, and are refused for an unknown node",
        inapplicable: super::never,
        run: changes::add_stats,
    },
    Check {
        name: "invalid-capacity",
        what: "a capacity of nothing is invalid-capacity and changes nothing",
        inapplicable: super::never,
        run: undo::invalid_capacity,
    },
    Check {
        name: "undo-enable",
        what: "an enable whose labels are refused is a gossip error and changes nothing",
        inapplicable: undo::publishes_nothing,
        run: undo::enable,
    },
    Check {
        name: "undo-disable",
        what: "a disable whose labels are refused is a gossip error and changes nothing",
        inapplicable: undo::publishes_nothing,
        run: undo::disable,
    },
    Check {
        name: "undo-load",
        what: "a load or apply whose labels are refused, or their withdrawal, is refused and changes nothing",
        inapplicable: undo::publishes_nothing,
        run: undo::load_and_apply,
    },
    Check {
        name: "undo-half",
        what: "a load or apply of which one node's labels are refused changes nothing of the others either",
        inapplicable: undo::publishes_nothing,
        run: undo::half,
    },
    Check {
        name: "labels-go",
        what: "a disabled node publishes no labels any more",
        inapplicable: super::never,
        run: changes::labels_go,
    },
    Check {
        name: "load",
        what: "load takes entries exactly as they are, over those of the same nodes, and keeps the others",
        inapplicable: super::never,
        run: state::load,
    },
    Check {
        name: "load-labels",
        what: "a node that is loaded or put publishes what it did when it was enabled, and nothing else",
        inapplicable: super::never,
        run: state::load_labels,
    },
    Check {
        name: "apply",
        what: "apply puts and removes in order; removing an unknown node is fine",
        inapplicable: super::never,
        run: state::apply,
    },
    Check {
        name: "assess-pure",
        what: "assess answers the same before and after changes, again, and on another instance",
        inapplicable: super::never,
        run: state::assess_pure,
    },
    Check {
        name: "assess-strange",
        what: "assess answers whatever labels a node shows, its own with strange values included",
        inapplicable: super::never,
        run: state::assess_strange,
    },
    Check {
        name: "full",
        what: "as many entries as the agent may hold are loaded and listed within the limits",
        inapplicable: super::never,
        run: state::full,
    },
];

pub(super) fn fresh(factory: &Factory<'_>) -> Result<Box<dyn Subject>, Broken> {
    let mut subject = factory(&Settings::new())?;
    subject.set_time(at(1_000));
    subject
        .load(&[])?
        .map_err(|reason| format!("it refused to load nothing: {reason}"))?;
    Ok(subject)
}

/// So many milliseconds after 2026 began.
pub(super) fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600) + Duration::from_millis(millis)
}

/// Enables a node with the `nth` of the subject's samples, and answers what the component made of it.
pub(super) fn enabled(
    subject: &mut dyn Subject,
    node_id: NodeId,
    nth: usize,
) -> Result<EdgeCacheNode, Broken> {
    let sample = subject.sample(nth);
    subject.enable(node_id, &sample)?.map_err(|error| {
        format!(
            "enable of node {node_id} must succeed, found {}",
            error.words()
        )
    })
}

pub(super) fn entry(node_id: NodeId, capacity: NodeCapacity, stats: EdgeCacheStats) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity,
            enabled_at: at(node_id),
        },
        stats,
    }
}

pub(super) const fn counters(hits: u64, misses: u64) -> EdgeCacheStats {
    EdgeCacheStats { hits, misses }
}

/// Compares what was found with what must be.
pub(super) fn same<T: PartialEq + Words>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), Broken> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} {}", found.differs_from(expected)))
}

/// All that a registry shows of some nodes, for comparing before and after.
pub(super) fn picture(subject: &mut dyn Subject, nodes: &[NodeId]) -> Result<Picture, Broken> {
    let list = subject.list_eligible()?;
    let nodes = nodes.iter().map(|&node_id| {
        Ok(NodePicture {
            node_id,
            is_enabled: subject.is_enabled(node_id)?,
            stats: subject.stats(node_id)?,
            labels: subject.labels(node_id),
        })
    });
    Ok(Picture {
        list,
        nodes: nodes.collect::<Result<_, Broken>>()?,
    })
}
