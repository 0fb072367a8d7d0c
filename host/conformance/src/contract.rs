//! The checks that every plugin must pass, whatever its policy.
//!
//! A policy may give a node another capacity than the one asked for, and chooses the labels. So the checks
//! compare with what the registry itself answered.

mod changes;
mod state;
mod undo;

use crate::check::{Check, checks};

/// Checks for every plugin.
pub const CONTRACT: &[Check] = checks! {
    "round-trip" changes::round_trip:
        "an enabled node is registered with all its fields, and a disabled one is not any more";
    "disable-unknown" changes::disable_unknown:
        "disabling a node that is not registered is node-not-found with its id, so also the second time";
    "stats-zero" changes::stats_zero:
        "the counters of a fresh node, of an unknown one and of a disabled one are zero";
    "enable-again" changes::enable_again:
        "enabling again overwrites capacity and enabled-at, and the counters go back to zero";
    "ascending" changes::ascending:
        "the list is in ascending order of node id, each node once";
    "one-entry" changes::one_entry:
        "a call changes only the entry that it names, and publishes for that node only";
    "enabled-at" changes::enabled_at:
        "enabled-at is the wall clock's time of the call, cut to milliseconds";
    "add-stats" changes::add_stats:
        "counters add up, stay at their largest value, and are refused for an unknown node";
    "invalid-capacity" undo::invalid_capacity:
        "a capacity of nothing is invalid-capacity and changes nothing";
    "undo-enable" undo::enable [skip undo::publishes_nothing]:
        "an enable whose labels are refused is a gossip error and changes nothing";
    "undo-disable" undo::disable [skip undo::publishes_nothing]:
        "a disable whose labels are refused is a gossip error and changes nothing";
    "undo-load" undo::load_and_apply [skip undo::publishes_nothing]:
        "a load or apply whose labels are refused, or their withdrawal, is refused and changes nothing";
    "undo-half" undo::half [skip undo::publishes_nothing]:
        "a load or apply of which one node's labels are refused changes nothing of the others either";
    "labels-go" changes::labels_go:
        "a disabled node publishes no labels any more";
    "load" state::load:
        "load takes entries exactly as they are, over those of the same nodes, and keeps the others";
    "load-labels" state::load_labels:
        "a node that is loaded or put publishes what it did when it was enabled, and nothing else";
    "apply" state::apply:
        "apply puts and removes in order; removing an unknown node is fine";
    "assess-pure" state::assess_pure:
        "assess answers the same before and after changes, again, and on another instance";
    "assess-strange" state::assess_strange:
        "assess answers whatever labels a node shows, its own with strange values included";
    "full" state::full:
        "as many entries as the agent may hold are loaded and listed within the limits";
};
