//! The alert rules and the dashboard of `host/monitoring/`, judged by Prometheus itself.
//!
//! - `prometheus`: a Prometheus that scrapes agents and fires at once
//! - `cluster`: agents that are healthy, and agents in trouble with each other
//! - `gossip`: agents in trouble as members
//! - `machine`: agents in trouble with their disk, cache, log, plugin and files

mod cluster;
mod gossip;
mod machine;
mod prometheus;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use edge_cache_tests::debian::PROMTOOL;
use serde_json::Value;

const ALERTS: &str = include_str!("../../host/monitoring/alerts.yaml");
const CASES: &str = include_str!("../../host/monitoring/alerts_test.yaml");
const DASHBOARD: &str = include_str!("../../host/monitoring/dashboard.json");
const METRICS: &str = include_str!("../../host/docs/metrics.md");
#[test]
fn every_rule_fires_for_a_real_agent() -> Result<()> {
    let brought_about = [cluster::ALERTS, gossip::ALERTS, machine::ALERTS].concat();
    let rules: BTreeSet<_> = words(ALERTS, "alert: ").collect();
    ensure!(rules == BTreeSet::from_iter(brought_about));
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/monitoring")
}

/// Returns the words behind a key of these YAML files, one a line.
fn words<'a>(yaml: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    yaml.lines()
        .filter_map(move |line| line.trim_start_matches([' ', '-']).strip_prefix(key))
}

/// Runs promtool in a folder, and returns what it printed.
fn promtool(program: &str, folder: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said)?;
    ensure!(output.status.success(), "{args:?}: {said}");
    Ok(said)
}

#[test]
fn every_rule_fires_in_a_test_of_its_own() -> Result<()> {
    let rules: Vec<_> = words(ALERTS, "alert: ").collect();
    let cases: Vec<_> = words(CASES, "alertname: ").collect();
    ensure!(rules == cases, "{rules:?} {cases:?}");
    let Some(program) = PROMTOOL.program() else {
        return Ok(());
    };
    let said = promtool(program, &folder(), &["check", "rules", "alerts.yaml"])?;
    ensure!(
        said.contains(&format!("{} rules found", rules.len())),
        "{said}"
    );
    let said = promtool(program, &folder(), &["test", "rules", "alerts_test.yaml"])?;
    ensure!(said.contains("SUCCESS"), "{said}");
    Ok(())
}

/// Returns the queries of the dashboard's panels.
fn queries() -> Result<Vec<String>> {
    let dashboard: Value = serde_json::from_str(DASHBOARD)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    targets
        .flatten()
        .map(|target| Ok(target["expr"].as_str().context("no query")?.to_string()))
        .collect()
}

#[test]
fn rules_and_panels_take_metrics_that_are_documented() -> Result<()> {
    let queries = queries()?;
    ensure!(queries.len() > 20, "{}", queries.len());
    let exprs = queries
        .iter()
        .map(String::as_str)
        .chain(words(ALERTS, "expr: "));
    for expr in exprs {
        let words = expr.split(|sign: char| !sign.is_ascii_lowercase() && sign != '_');
        let names =
            words.filter(|word| word.starts_with("edge_cache_") || word.starts_with("process_"));
        let mut names = names.peekable();
        ensure!(names.peek().is_some() || expr.contains("up{"), "{expr}");
        for name in names {
            let family = name.strip_suffix("_bucket").unwrap_or(name);
            let is_listed = METRICS.contains(&format!("\n| `{family}` | "));
            ensure!(is_listed, "{name} of {expr} is not in metrics.md");
        }
    }
    Ok(())
}

#[test]
fn prometheus_takes_the_queries_of_all_panels() -> Result<()> {
    let Some(program) = PROMTOOL.program() else {
        return Ok(());
    };
    let mut rules = "groups:\n  - name: panels\n    rules:\n".to_string();
    let queries = queries()?;
    for (index, query) in queries.iter().enumerate() {
        let query = query
            .replace("$job", ".*")
            .replace("$__rate_interval", "5m");
        rules.push_str(&format!(
            "      - record: panel:{index}\n        expr: {query:?}\n"
        ));
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("panels.yaml"), rules)?;
    let said = promtool(program, folder.path(), &["check", "rules", "panels.yaml"])?;
    ensure!(
        said.contains(&format!("{} rules found", queries.len())),
        "{said}"
    );
    Ok(())
}
