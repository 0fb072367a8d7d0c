use std::time::Duration;

use super::super::Failure;
use super::{CALL_BOUNDS, CALLS, CallCounters};

#[test]
fn each_export_counts_on_its_own() {
    let counters = CallCounters::default();
    assert!(counters.read().times.is_empty());
    for call in CALLS {
        counters.took(call, Duration::from_micros(3));
    }
    counters.took("enable", Duration::from_secs(60));
    let read = counters.read();
    assert_eq!(read.times.len(), CALLS.len());
    assert_eq!(read.times["enable"].counts.last(), Some(&1));
    assert_eq!(read.times["disable"].count(), 1);
    assert!(CALL_BOUNDS.is_sorted());
}

#[test]
fn failures_count_by_export_and_kind() {
    let counters = CallCounters::default();
    let trap = Failure::Trap {
        call: "enable",
        reason: "unreachable".to_string(),
    };
    counters.failed(&trap);
    counters.failed(&trap);
    counters.failed(&Failure::Refused("no".to_string()));
    let failures = counters.read().failures;
    assert_eq!(failures[&("enable", "trap")], 2);
    assert_eq!(failures[&("load", "refused")], 1);
    assert_eq!(failures.len(), 2);
}
