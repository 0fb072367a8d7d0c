//! The reference with one semantic broken at a time, as components.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use edge_cache_conformance::{CONTRACT, Examination, Samples, examine};
use edge_cache_host::Limits;
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_tests::component::mutant;

/// Every mutation, the check that names the broken semantic, and a part of what it says it found.
const CAUGHT_BY: &[(&str, &str, &str)] = &[
    (
        "wrong-id",
        "disable-unknown",
        "found the error node-not-found(0)",
    ),
    (
        "disables-unknown",
        "disable-unknown",
        "disable must be the error node-not-found(18446744073709551615), found success",
    ),
    (
        "labels-stay",
        "labels-go",
        "the labels must be no labels, found the labels edge_cache=",
    ),
    (
        "counters-survive",
        "enable-again",
        "stats must be 0 hits and 0 misses, found 3 hits and 4 misses",
    ),
    (
        "commits-first",
        "undo-enable",
        "the registry must be as it was, but its list was",
    ),
    (
        "labels-elsewhere",
        "one-entry",
        "what enabling node 4 publishes for node 0 must be no labels, found the labels edge_cache=",
    ),
    (
        "touches-others",
        "one-entry",
        "stats of a neighbour must be 3 hits and 4 misses, found 0 hits",
    ),
    (
        "own-clock",
        "enabled-at",
        "enabled-at must be 2026-01-01T00:00:00.005Z, found 2026-01-01T00:00:00Z",
    ),
    (
        "exact-time",
        "enabled-at",
        "must be whole milliseconds, got 5999999 nanoseconds",
    ),
    (
        "takes-nothing",
        "invalid-capacity",
        "enable of nothing must be invalid-capacity, found node 1 with",
    ),
    ("unsorted", "ascending", "the list must be ascending"),
    (
        "wraps",
        "add-stats",
        "the totals must be 18446744073709551615 hits and 4 misses, found 11 hits",
    ),
    (
        "counts-unknown",
        "add-stats",
        "add-stats of an unknown node must be the error node-not-found(1), found 1 hits",
    ),
    (
        "load-replaces",
        "load",
        "the registry must be as it was, but its list was",
    ),
    ("load-restamps", "load", "the list must be [node 0 with"),
    ("load-forgets-counters", "load", "the counters must be"),
    ("load-publishes-nothing", "load-labels", "found no labels"),
    (
        "load-half",
        "undo-half",
        "the registry after load must be as it was, but its list was",
    ),
    (
        "small",
        "full",
        "load must be success, found the error \"it takes 1000 entries\"",
    ),
    (
        "apply-ignores-removes",
        "apply",
        "the list must be [node 2 with",
    ),
    (
        "apply-half",
        "undo-half",
        "the registry after apply must be as it was, but its list was",
    ),
    (
        "impure",
        "assess-pure",
        "assess again must be the weight 1 in",
    ),
    (
        "looks-at-state",
        "assess-pure",
        "assess after enable must be the weight 500 in \"eu-central-1\", found the weight 1 in",
    ),
    ("traps-on-strange", "assess-strange", "assess trapped"),
    (
        "unbounded-weight",
        "assess-strange",
        "with `edge_cache_cpu` = \"0\": assess broke the contract: the weight must be 1 to 65535, got 0",
    ),
];

#[test]
fn the_mutant_without_a_mutation_passes() -> Result<()> {
    let examination = examined("none")?;
    assert!(examination.passes(), "{:#?}", examination.reports);
    Ok(())
}

/// The host takes no label from a call that errs, so there is nothing to find fault with.
#[test]
fn labels_published_by_a_refused_enable_go_nowhere() -> Result<()> {
    let examination = examined("publishes-in-vain")?;
    assert!(examination.passes(), "{:#?}", examination.reports);
    Ok(())
}

#[test]
fn every_mutant_fails_with_the_line_that_names_the_broken_semantic() -> Result<()> {
    for &(mutation, check, part) in CAUGHT_BY {
        let examination = examined(mutation)?;
        assert!(!examination.passes(), "{mutation}");
        let reports = &examination.reports;
        let report = reports.iter().find(|report| report.name == check);
        let found = report
            .and_then(|report| report.violation())
            .unwrap_or_default();
        assert!(
            found.contains(part),
            "{mutation} must break {check} with {part}, broken are {:#?}",
            reports
                .iter()
                .filter_map(|report| Some((report.name, report.violation()?)))
                .collect::<Vec<_>>()
        );
    }
    Ok(())
}

/// The mutant, compiled once, with this semantic broken.
fn examined(mutation: &str) -> Result<Examination> {
    static PLUGIN: OnceLock<Result<Plugin, String>> = OnceLock::new();
    let plugin = PLUGIN
        .get_or_init(|| {
            let path = mutant().map_err(|e| format!("{e:#}"))?;
            let config = PluginConfig {
                limits: Limits {
                    // Enough for `small`, and little enough for all of them.
                    nodes_max: 1_200,
                    ..Limits::default()
                },
                ..PluginConfig::default()
            };
            Plugin::from_file(path, config).map_err(|e| format!("{e:#}"))
        })
        .as_ref()
        .map_err(|error| anyhow!("{error}"))?;
    let settings = [("mutation".to_string(), mutation.to_string())];
    let plugin = plugin.with_settings(settings.into());
    Ok(examine(&plugin, &Samples::default(), CONTRACT))
}
