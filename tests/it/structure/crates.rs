//! Checks that each crate uses only crates below it, and none that it must not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use edge_cache_build::cargo;

use super::ROOT;

/// The crates below `host/`: each may use those that come after it.
const ORDER: [Rule; 11] = [
    rule("demo", "edge-cache-demo", &[], &[]),
    rule(
        "agent",
        "edge-cache-agent",
        &["chitchat", "redb", "wasmtime"],
        &[],
    ),
    rule(
        "client",
        "edge-cache-client",
        &[],
        &["axum", "edge-cache-host", "wasmtime"],
    ),
    rule(
        "distribution",
        "edge-cache-distribution",
        &[],
        &["axum", "clap", "edge-cache-host", "wasmtime"],
    ),
    rule(
        "conformance",
        "edge-cache-conformance",
        &[],
        &["axum", "clap", "edge-cache-host"],
    ),
    rule(
        "registry",
        "edge-cache-host",
        &[],
        &["axum", "clap", "hyper", "reqwest", "utoipa"],
    ),
    rule(
        "sandbox",
        "edge-cache-sandbox",
        &[],
        &["chitchat", "edge-cache-gossip", "redb"],
    ),
    rule("gossip", "edge-cache-gossip", &[], &["redb", "wasmtime"]),
    rule("routing", "edge-cache-routing", &["edge-cache-core"], &[]),
    rule("api", "edge-cache-api", &[], &["axum", "tokio"]),
    rule(
        "core",
        "edge-cache-core",
        &[],
        &["redb", "reqwest", "tokio", "wasmtime"],
    ),
];

struct Rule {
    folder: &'static str,
    name: &'static str,
    /// Crates that its manifest must not name.
    direct: &'static [&'static str],
    /// Crates that must not be anywhere in its tree.
    anywhere: &'static [&'static str],
}

const fn rule(
    folder: &'static str,
    name: &'static str,
    direct: &'static [&'static str],
    anywhere: &'static [&'static str],
) -> Rule {
    Rule {
        folder,
        name,
        direct,
        anywhere,
    }
}

#[test]
fn a_crate_uses_only_those_below_it() -> Result<()> {
    for (place, rule) in present().enumerate() {
        let used = tree(rule, &["--depth", "1", "-e", "all"])?;
        for other in ORDER.iter().filter(|other| other.name != rule.name) {
            let is_below = present()
                .skip(place + 1)
                .any(|below| below.name == other.name);
            ensure!(
                is_below || !used.contains(other.name),
                "{} uses {}, which is not below it",
                rule.name,
                other.name
            );
        }
    }
    Ok(())
}

#[test]
fn no_crate_knows_what_it_must_not() -> Result<()> {
    for rule in present() {
        let direct = tree(rule, &["--depth", "1", "-e", "normal,build"])?;
        let whole = tree(rule, &["-e", "normal"])?;
        println!("{}: {} crates", rule.name, whole.len());
        let named = rule.direct.iter().find(|name| direct.contains(**name));
        let present = rule.anywhere.iter().find(|name| whole.contains(**name));
        let found = named.or(present);
        ensure!(found.is_none(), "{} must not use {found:?}", rule.name);
    }
    Ok(())
}

#[test]
fn every_crate_of_the_host_has_its_place() -> Result<()> {
    for entry in fs::read_dir(Path::new(ROOT).join("host"))? {
        let path = entry?.path();
        let name = path.file_name().context("an entry has a name")?;
        let is_listed = ORDER.iter().any(|rule| name == rule.folder);
        ensure!(
            is_listed || !path.join("Cargo.toml").is_file(),
            "{} has no place in the order",
            path.display()
        );
    }
    Ok(())
}

/// The source of `core` has no clock, no input or output and nothing asynchronous.
#[test]
fn the_core_is_pure() -> Result<()> {
    let mut folders = vec![Path::new(ROOT).join("host/core/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path)?;
            for word in [
                "SystemTime::now",
                "Instant::now",
                "std::fs",
                "std::net",
                "async fn",
            ] {
                ensure!(!text.contains(word), "{} has {word}", path.display());
            }
        }
    }
    Ok(())
}

/// Development dependencies select no other features of shared crates, or `cargo test` would compile wasmtime
/// a second time after `cargo demo`.
#[test]
fn development_dependencies_add_no_features() -> Result<()> {
    let plain = features("normal,build")?;
    let with_tests = features("normal,build,dev")?;
    let names = |lines: &BTreeSet<String>| -> BTreeSet<String> {
        let name = |line: &String| line.split_whitespace().next().map(str::to_string);
        lines.iter().filter_map(name).collect()
    };
    let shared = names(&plain);
    let differing: Vec<_> = with_tests
        .difference(&plain)
        .filter(|line| {
            line.split_whitespace()
                .next()
                .is_some_and(|name| shared.contains(name))
        })
        .collect();
    ensure!(
        differing.is_empty(),
        "these differ in a build for tests; list what selects them as a plain dependency of the tests: \
         {differing:?}"
    );
    Ok(())
}

/// Every crate of the workspace's graph with its features, a line each.
fn features(edges: &str) -> Result<BTreeSet<String>> {
    let output = cargo()
        .current_dir(ROOT)
        .args(["tree", "--offline", "--workspace", "--prefix", "none"])
        .args(["--edges", edges, "--format", "{p} {f}"])
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_string())
        .collect())
}

fn present() -> impl Iterator<Item = &'static Rule> {
    ORDER
        .iter()
        .filter(|rule| Path::new(ROOT).join("host").join(rule.folder).is_dir())
}

/// The names of the crates that a crate uses, by cargo itself.
fn tree(rule: &Rule, arguments: &[&str]) -> Result<BTreeSet<String>> {
    let output = cargo()
        .current_dir(ROOT)
        .args(["tree", "--offline", "--prefix", "none", "-p", rule.name])
        .args(arguments)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {errors}", rule.name);
    let names: BTreeSet<_> = String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_string))
        .filter(|name| name != rule.name)
        .collect();
    ensure!(
        !names.is_empty() || rule.name == "edge-cache-api",
        "{} uses nothing",
        rule.name
    );
    Ok(names)
}
