//! The checks that every plugin must pass, whatever its policy.
//!
//! A policy may give a node another capacity than the one asked for, and chooses the labels. So the checks
//! compare with what the registry itself answered.

mod changes;
mod state;
mod undo;

use crate::check::{Check, never_skip};

/// Checks for every plugin.
pub const CONTRACT: &[Check] = &[
    Check {
        name: "round-trip",
        requirement: "an enabled node is registered with all its fields, and a disabled one is not any more",
        skip_reason: never_skip,
        run: changes::round_trip,
    },
    Check {
        name: "disable-unknown",
        requirement: "disabling a node that is not registered is node-not-found with its id, so also the second time",
        skip_reason: never_skip,
        run: changes::disable_unknown,
    },
    Check {
        name: "stats-zero",
        requirement: "the counters of a fresh node, of an unknown one and of a disabled one are zero",
        skip_reason: never_skip,
        run: changes::stats_zero,
    },
    Check {
        name: "enable-again",
        requirement: "enabling again overwrites capacity and enabled-at, and the counters go back to zero",
        skip_reason: never_skip,
        run: changes::enable_again,
    },
    Check {
        name: "ascending",
        requirement: "the list is in ascending order of node id, each node once",
        skip_reason: never_skip,
        run: changes::ascending,
    },
    Check {
        name: "one-entry",
        requirement: "a call changes only the entry that it names, and publishes for that node only",
        skip_reason: never_skip,
        run: changes::one_entry,
    },
    Check {
        name: "enabled-at",
        requirement: "enabled-at is the wall clock's time of the call, cut to milliseconds",
        skip_reason: never_skip,
        run: changes::enabled_at,
    },
    Check {
        name: "add-stats",
        requirement: "counters add up, stay at their largest value, and are refused for an unknown node",
        skip_reason: never_skip,
        run: changes::add_stats,
    },
    Check {
        name: "invalid-capacity",
        requirement: "a capacity of nothing is invalid-capacity and changes nothing",
        skip_reason: never_skip,
        run: undo::invalid_capacity,
    },
    Check {
        name: "undo-enable",
        requirement: "an enable whose labels are refused is a gossip error and changes nothing",
        skip_reason: undo::publishes_nothing,
        run: undo::enable,
    },
    Check {
        name: "undo-disable",
        requirement: "a disable whose labels are refused is a gossip error and changes nothing",
        skip_reason: undo::publishes_nothing,
        run: undo::disable,
    },
    Check {
        name: "undo-load",
        requirement: "a load or apply whose labels are refused, or their withdrawal, is refused and changes nothing",
        skip_reason: undo::publishes_nothing,
        run: undo::load_and_apply,
    },
    Check {
        name: "undo-half",
        requirement: "a load or apply of which one node's labels are refused changes nothing of the others either",
        skip_reason: undo::publishes_nothing,
        run: undo::half,
    },
    Check {
        name: "labels-go",
        requirement: "a disabled node publishes no labels any more",
        skip_reason: never_skip,
        run: changes::labels_go,
    },
    Check {
        name: "load",
        requirement: "load takes entries exactly as they are, over those of the same nodes, and keeps the others",
        skip_reason: never_skip,
        run: state::load,
    },
    Check {
        name: "load-labels",
        requirement: "a node that is loaded or put publishes what it did when it was enabled, and nothing else",
        skip_reason: never_skip,
        run: state::load_labels,
    },
    Check {
        name: "apply",
        requirement: "apply puts and removes in order; removing an unknown node is fine",
        skip_reason: never_skip,
        run: state::apply,
    },
    Check {
        name: "assess-pure",
        requirement: "assess answers the same before and after changes, again, and on another instance",
        skip_reason: never_skip,
        run: state::assess_pure,
    },
    Check {
        name: "assess-strange",
        requirement: "assess answers whatever labels a node shows, its own with strange values included",
        skip_reason: never_skip,
        run: state::assess_strange,
    },
    Check {
        name: "full",
        requirement: "as many entries as the agent may hold are loaded and listed within the limits",
        skip_reason: never_skip,
        run: state::full,
    },
];
