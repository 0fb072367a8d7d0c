//! The hostile guest under the checks: each failure ends one check with a line, and the next one runs.
//!
//! Its trigger is a node of one check and not of others, so that both are seen.

use std::time::Duration;

use anyhow::Result;
use edge_cache_conformance::{CONTRACT, Examination, Samples, examine};
use edge_cache_host::Limits;

use crate::hostile::plugin;

/// Behaviours: name, node, the check that finds it, and the finding.
const SHOWN_BY: &[(&str, u64, &str, &str)] = &[
    (
        "loop@enable",
        7,
        "round-trip",
        "enable ran for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "loop@disable",
        7,
        "round-trip",
        "disable ran for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "loop@list-eligible",
        7,
        "round-trip",
        "list-eligible ran for longer than 250 ms, the limit `load_deadline`",
    ),
    (
        "loop@load",
        5,
        "load",
        "load ran for longer than 250 ms, the limit `load_deadline`",
    ),
    (
        "loop@apply",
        5,
        "apply",
        "apply ran for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "sleep@enable",
        7,
        "round-trip",
        "enable waits for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "trap@enable",
        7,
        "round-trip",
        "enable trapped: wasm trap: wasm `unreachable` instruction executed",
    ),
    (
        "trap@is-enabled",
        7,
        "round-trip",
        "is-enabled trapped: wasm trap: wasm `unreachable` instruction executed",
    ),
    (
        "trap@load",
        5,
        "load",
        "load trapped: wasm trap: wasm `unreachable` instruction executed",
    ),
    (
        "trap@assess",
        1,
        "assess-pure",
        "assess trapped: wasm trap: wasm `unreachable` instruction executed",
    ),
    (
        "exit@enable",
        7,
        "round-trip",
        "enable trapped: it exited with status 1",
    ),
    (
        "recurse@enable",
        7,
        "round-trip",
        "enable used up its stack of 524288 bytes, the limit `stack_bytes`",
    ),
    (
        "grow@enable",
        7,
        "round-trip",
        "enable ran out of memory at 67108864 bytes, the limit `memory_bytes`",
    ),
    (
        "handles@enable",
        7,
        "round-trip",
        "enable holds more than 1000 handles, the limit `handles`",
    ),
    (
        "random-huge@enable",
        7,
        "round-trip",
        "enable asked for more than 65536 random bytes at once, the limit `random_bytes`",
    ),
    (
        "huge@enable",
        7,
        "round-trip",
        "enable ran out of memory at 67108864 bytes, the limit `memory_bytes`",
    ),
    (
        "huge@load",
        5,
        "load",
        "load ran out of memory at 67108864 bytes, the limit `memory_bytes`",
    ),
    (
        "sleep-in-poll@enable",
        7,
        "round-trip",
        "enable waits for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "many-clocks@enable",
        7,
        "round-trip",
        "enable ran for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "many-settings@disable",
        7,
        "round-trip",
        "disable ran for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "many-lines@enable",
        7,
        "round-trip",
        "enable ran for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "many-labels@enable",
        7,
        "round-trip",
        "enable ran for longer than 250 ms, the limit `call_deadline`",
    ),
    (
        "exit-well@disable",
        7,
        "round-trip",
        "disable trapped: it exited with status 0",
    ),
    (
        "zeroes@enable",
        7,
        "round-trip",
        "enable trapped: cannot write more zeroes than `check_write` allows",
    ),
    (
        "poll-many@enable",
        7,
        "round-trip",
        "enable handed over more than 1048576 bytes, the limit `call_data_bytes`",
    ),
    (
        "huge-error@enable",
        7,
        "round-trip",
        "enable ran out of memory at 67108864 bytes, the limit `memory_bytes`",
    ),
    (
        "exact-time@enable",
        7,
        "round-trip",
        "must be whole milliseconds, got 1 nanoseconds",
    ),
    (
        "publish-17@enable",
        7,
        "round-trip",
        "enable of node 7 must succeed, found gossip(",
    ),
    (
        "publish-for-other@enable",
        3,
        "one-entry",
        "what node 7 publishes was no labels and is the labels edge_cache=",
    ),
    (
        "publish@add-stats",
        1,
        "stats-zero",
        "found the error gossip(",
    ),
    (
        "not-found@add-stats",
        1,
        "stats-zero",
        "found the error node-not-found(1)",
    ),
    (
        "other-node@enable",
        7,
        "round-trip",
        "enable broke the contract: asked to enable node 7, it answered node 8",
    ),
    (
        "escapes@enable",
        7,
        "round-trip",
        "geo must be printable: no control characters and no direction marks",
    ),
    (
        "long-geo@enable",
        7,
        "round-trip",
        "geo must be 1 to 64 bytes, got 65",
    ),
    (
        "nothing@enable",
        7,
        "round-trip",
        "cpu_cores, ram_mib and disk_mib are all zero",
    ),
    (
        "late@enable",
        7,
        "round-trip",
        "must be before the year 10000",
    ),
    (
        "twice@list-eligible",
        7,
        "round-trip",
        "list-eligible broke the contract: node 7 is listed twice",
    ),
    (
        "unsorted@list-eligible",
        300,
        "ascending",
        "the list must be ascending",
    ),
    (
        "forgotten@list-eligible",
        7,
        "round-trip",
        "the list must be [node 7 with",
    ),
    (
        "not-found@disable",
        7,
        "round-trip",
        "the answer of disable must be success, found the error node-not-found(7)",
    ),
    (
        "other-not-found@disable",
        7,
        "round-trip",
        "the answer of disable must be success, found the error node-not-found(8)",
    ),
    (
        "down@add-stats",
        1,
        "stats-zero",
        "add-stats must be 3 hits and 4 misses, found",
    ),
    (
        "up@add-stats",
        1,
        "stats-zero",
        "add-stats must be 3 hits and 4 misses, found",
    ),
    (
        "weightless@assess",
        1,
        "assess-pure",
        "the weight must be 1 to 65535, got 0",
    ),
    (
        "heavy@assess",
        1,
        "assess-pure",
        "the weight must be 1 to 65535, got 65536",
    ),
];

/// Behaviours that run for a while before a limit stops them.
const GREEDY: &[&str] = &["grow", "huge", "recurse", "handles", "poll-many"];

#[test]
fn every_failure_ends_its_check_with_a_line_and_the_next_check_runs() -> Result<()> {
    for &(behaviour, trigger, check, part) in SHOWN_BY {
        let examination = examined(behaviour, trigger)?;
        assert!(!examination.passes(), "{behaviour}");
        let found = broken(&examination, check);
        assert!(
            found.is_some_and(|found| found.contains(part)),
            "{behaviour} must break {check} with {part}, found {found:?}"
        );
        // One that has nothing to do with any misdeed comes later, and is not hurt.
        let unhurt = if trigger == 7 {
            "add-stats"
        } else {
            "round-trip"
        };
        assert_eq!(broken(&examination, unhurt), None, "{behaviour}");
    }
    Ok(())
}

/// Escapes of the guest in a text that is printed would be the terminal's.
#[test]
fn what_is_found_is_fit_for_a_screen() -> Result<()> {
    let examination = examined("escaped-error@enable", 7)?;
    let found = broken(&examination, "round-trip").unwrap_or_default();
    assert!(found.contains("all is well"), "{found}");
    assert!(!found.contains(char::is_control), "{found:?}");
    Ok(())
}

fn examined(behaviour: &str, trigger: u64) -> Result<Examination> {
    let takes_time = GREEDY.iter().any(|greedy| behaviour.starts_with(greedy));
    let deadline = if takes_time {
        Duration::from_secs(20)
    } else {
        Limits::default().call_deadline
    };
    let limits = Limits {
        call_deadline: deadline,
        load_deadline: deadline,
        // Little enough to be loaded and listed within that.
        nodes_max: 1_000,
        ..Limits::default()
    };
    let plugin = plugin(behaviour, limits)?;
    let mut settings = plugin.config().settings.clone();
    settings.insert("trigger".to_string(), trigger.to_string());
    let plugin = plugin.with_settings(settings);
    Ok(examine(&plugin, &Samples::default(), CONTRACT))
}

fn broken<'a>(examination: &'a Examination, check: &str) -> Option<&'a str> {
    let reports = &examination.reports;
    reports
        .iter()
        .find(|report| report.name == check)?
        .violation()
}
