//! Checks that a plugin reaches exactly those parts of the host that the documentation lists.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use edge_cache_agent::cli;
use edge_cache_host::sandbox::{ImportGrants, LINES_KEPT, Plugin, PluginConfig};
use edge_cache_host::{GEO_BYTES_MAX, PEER_LABEL_BYTES_MAX, PEER_LABELS_MAX};
use edge_cache_tests::dummy::dummy_including;

const README: &str = include_str!("../../README.md");
const HEADING: &str = "\n## What a component can reach\n";
/// A world with something of every interface that there is beyond our own world.
const EVERYTHING: &str = include_str!("reach/everything.wit");

/// Returns the rows of a table by their first cell.
type Rows = BTreeMap<String, Vec<String>>;

#[test]
fn the_readme_says_what_a_component_can_reach() -> Result<()> {
    check(README)
}

#[test]
fn a_readme_that_says_something_else_is_found() -> Result<()> {
    let section = section(README)?;
    let rows: Vec<&str> = section.lines().filter(|line| is_row(line)).collect();
    ensure!(rows.len() > 50, "only {} rows were found", rows.len());
    for row in &rows {
        check(&README.replacen(&format!("{row}\n"), "", 1)).unwrap_err();
        let other = row.replacen('`', "`other-", 1);
        check(&README.replacen(row, &format!("{row}\n{other}"), 1)).unwrap_err();
    }
    for (from, to) in [
        ("| 64MiB |", "| 65MiB |"),
        ("| 0.2 |", "| 0.3 |"),
        ("| `edge_cache` |", "| |"),
    ] {
        let other = section.replacen(from, to, 1);
        ensure!(other != section, "nothing says {from}");
        check(&README.replace(section, &other)).unwrap_err();
    }
    Ok(())
}

/// Compares the README with the host, for each table.
fn check(readme: &str) -> Result<()> {
    let tables = tables(section(readme)?)?;
    let [imports, limits, bounds, grants] = &tables[..] else {
        bail!("there are {} tables, not 4", tables.len());
    };
    check_imports(imports)?;
    let settings = settings();
    let mut expected = settings.clone();
    expected.retain(|name, _| name.starts_with("limits."));
    same("limits", limits, &expected)?;
    let expected = [
        ("GEO_BYTES_MAX", GEO_BYTES_MAX),
        ("LINES_KEPT", LINES_KEPT),
        ("PEER_LABELS_MAX", PEER_LABELS_MAX),
        ("PEER_LABEL_BYTES_MAX", PEER_LABEL_BYTES_MAX),
    ];
    let listed = firsts(bounds);
    let expected = expected.map(|(name, number)| (name, number.to_string()));
    ensure!(
        listed == expected,
        "bounds: {expected:?}, the README says {listed:?}"
    );
    check_grants(grants, &settings, imports)
}

/// The names are those of the host, and the linker has each in the listed version.
fn check_imports(table: &Rows) -> Result<()> {
    let provided = ImportGrants::default();
    let names: Vec<&str> = provided.names().collect();
    let listed: Vec<&str> = table.keys().map(String::as_str).collect();
    ensure!(
        names == listed,
        "the host has {names:?}, the README {listed:?}"
    );
    for name in linked()? {
        let (bare, version) = name.split_once('@').unwrap_or((&name, "none"));
        let Some([listed, _]) = table.get(bare).map(Vec::as_slice) else {
            // Types only, which need no grant.
            ensure!(bare == "zlayer:edge-cache/types", "`{bare}` is not listed");
            continue;
        };
        let rest = version.strip_prefix(listed.as_str());
        let fits = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        ensure!(fits, "{name} is served, the README says {listed}");
    }
    Ok(())
}

/// The imports of a component that asks for all there is and is taken.
fn linked() -> Result<Vec<String>> {
    static PLUGIN: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    if let Some(imports) = PLUGIN.get() {
        return Ok(imports.clone());
    }
    let plugin = Plugin::from_bytes(&dummy_including(EVERYTHING)?, PluginConfig::default())?;
    for name in ImportGrants::default().names() {
        let asked = plugin.imports().iter().any(|import| {
            import
                .split_once('@')
                .map_or(import.as_str(), |(bare, _)| bare)
                == name
        });
        ensure!(asked, "reach/everything.wit imports nothing of `{name}`");
    }
    Ok(PLUGIN.get_or_init(|| plugin.imports().to_vec()).clone())
}

fn check_grants(table: &Rows, settings: &Rows, imports: &Rows) -> Result<()> {
    let default = |name: &str| -> Result<String> {
        let row = settings
            .get(name)
            .with_context(|| format!("no setting `{name}`"))?;
        Ok(row.first().cloned().unwrap_or_default())
    };
    let all: Vec<_> = imports.keys().map(|name| format!("\"{name}\"")).collect();
    let granted = default("plugin.imports")?;
    let mut granted: Vec<_> = granted.trim_matches(['[', ']']).split(", ").collect();
    granted.sort_unstable();
    ensure!(
        granted == all,
        "not all imports are granted by default: {granted:?}"
    );
    ensure!(default("plugin.labels")? == "[\"edge_cache\"]");
    ensure!(default("plugin.settings")? == "{}");
    let expected = [
        ("plugin.imports", "all of the interfaces above"),
        ("plugin.labels", "edge_cache"),
        ("plugin.settings", "none"),
    ];
    let listed = firsts(table);
    let expected = expected.map(|(name, default)| (name, default.to_string()));
    ensure!(
        listed == expected,
        "grants: {expected:?}, the README says {listed:?}"
    );
    Ok(())
}

/// Returns the first two columns of a table.
fn firsts(table: &Rows) -> Vec<(&str, String)> {
    let second = |row: &[String]| row.first().cloned().unwrap_or_default();
    table
        .iter()
        .map(|(name, row)| (name.as_str(), second(row)))
        .collect()
}

fn same(what: &str, listed: &Rows, expected: &Rows) -> Result<()> {
    for (name, row) in expected {
        let found = listed.get(name);
        ensure!(
            found == Some(row),
            "{what}: `{name}` is {row:?}, the README says {found:?}"
        );
    }
    let unknown = listed.keys().find(|name| !expected.contains_key(*name));
    ensure!(
        unknown.is_none(),
        "{what}: the README has {unknown:?}, the host has not"
    );
    Ok(())
}

/// Every setting of an agent that has a default: its name, the default, and what it is for.
fn settings() -> Rows {
    let example = cli::example();
    let mut section = String::new();
    let mut about = "";
    let mut rows = Rows::new();
    for line in example.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.replace(']', ".");
        } else if let Some(text) = line.strip_prefix("# ") {
            // What follows the help says only how else it is written.
            if !text.starts_with("Flag `") {
                about = text.trim_end_matches('.');
            }
        } else if let Some((name, default)) = line.trim_start_matches('#').split_once(" = ") {
            let default = default.trim_matches('"').to_string();
            rows.insert(format!("{section}{name}"), vec![default, about.to_string()]);
        }
    }
    rows
}

fn section(readme: &str) -> Result<&str> {
    let (_, rest) = readme.split_once(HEADING).context("the section is there")?;
    Ok(rest
        .split_once("\n## ")
        .map_or(rest, |(section, _)| section))
}

fn is_row(line: &str) -> bool {
    line.starts_with("| `")
}

/// A cell that is code as a whole, without its marks.
fn unquoted(cell: &str) -> &str {
    cell.strip_prefix('`')
        .and_then(|code| code.strip_suffix('`'))
        .filter(|code| !code.contains('`'))
        .unwrap_or(cell)
}

/// The tables of a section: a row's first cell, and the others.
fn tables(section: &str) -> Result<Vec<Rows>> {
    let mut tables = Vec::new();
    for line in section.lines() {
        if line.starts_with("|---") {
            tables.push(Rows::new());
        } else if is_row(line) {
            let mut cells = line
                .trim_matches('|')
                .split('|')
                .map(|cell| unquoted(cell.trim()).to_string());
            let name = cells.next().context("a row has cells")?;
            let table = tables.last_mut().context("a row stands in a table")?;
            let twice = table.insert(name.clone(), cells.collect());
            ensure!(twice.is_none(), "`{name}` stands there twice");
        }
    }
    Ok(tables)
}
