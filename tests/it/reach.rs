//! The interfaces, limits and grants of a plugin, compared with `host/docs/security.md` and `host/docs/limits.md`.

use anyhow::{Context, Result, bail, ensure};
use edge_cache_host::sandbox::{ImportGrants, LINES_KEPT, Plugin, PluginConfig};
use edge_cache_host::{
    GEO_BYTES_MAX, PEER_LABEL_BYTES_MAX, PEER_LABELS_MAX, SOURCE_NAME_BYTES_MAX, SOURCES_MAX,
};
use edge_cache_tests::dummy::dummy_including;

use crate::docs::{Rows, section, settings, tables};

const SECURITY: &str = include_str!("../../host/docs/security.md");
const LIMITS: &str = include_str!("../../host/docs/limits.md");
/// A world with something of every interface that there is beyond our own world.
const EVERYTHING: &str = include_str!("reach/everything.wit");

#[test]
fn the_pages_list_everything_that_a_plugin_can_reach() -> Result<()> {
    check_reach(SECURITY)?;
    check_limits(LIMITS)
}

#[test]
fn a_page_that_differs_from_the_host_is_found() -> Result<()> {
    let reach = section(SECURITY, "What a plugin can reach")?;
    differs(
        SECURITY,
        reach,
        check_reach,
        &[("| 0.2 |", "| 0.3 |"), ("| `edge_cache` |", "| |")],
    )?;
    for heading in ["Settings", "Constants of the library"] {
        let text = section(LIMITS, heading)?;
        differs(
            LIMITS,
            text,
            check_limits,
            &[("| 64 |", "| 65 |"), ("`64", "`65")],
        )?;
    }
    Ok(())
}

/// Checks that no row of a section can be missing, be there twice under another name, or be changed.
fn differs(
    page: &str,
    section: &str,
    check: fn(&str) -> Result<()>,
    changes: &[(&str, &str)],
) -> Result<()> {
    check(page)?;
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    ensure!(rows.len() > 3, "only {} rows were found", rows.len());
    for row in &rows {
        check(&page.replacen(&format!("{row}\n"), "", 1)).unwrap_err();
        let other = row.replacen('`', "`other-", 1);
        check(&page.replacen(row, &format!("{row}\n{other}"), 1)).unwrap_err();
    }
    let mut changed = 0;
    for (from, to) in changes {
        let other = section.replacen(from, to, 1);
        if other != section {
            check(&page.replace(section, &other)).unwrap_err();
            changed += 1;
        }
    }
    ensure!(changed > 0, "nothing was changed");
    Ok(())
}

/// Compares the imports and grants with the host.
fn check_reach(page: &str) -> Result<()> {
    let tables = tables(section(page, "What a plugin can reach")?)?;
    let [imports, grants] = &tables[..] else {
        bail!("there are {} tables, not 2", tables.len());
    };
    check_imports(imports)?;
    check_grants(grants, imports)
}

/// Compares the limits with the host.
fn check_limits(page: &str) -> Result<()> {
    let tables = |heading| -> Result<Rows> {
        let found = tables(section(page, heading)?)?;
        Ok(found.into_iter().flatten().collect())
    };
    // The column of allowed values is generated from the command line.
    let mut listed = tables("Settings")?;
    for cells in listed.values_mut() {
        ensure!(cells.len() == 3, "a row of limits has {cells:?}");
        cells.remove(1);
    }
    let expected: Rows = settings()
        .into_iter()
        .filter(|(name, _)| name.starts_with("limits."))
        .map(|(name, setting)| {
            let default = setting.default.unwrap_or_default();
            let default = default.trim_matches('"').to_string();
            (name, vec![default, setting.about])
        })
        .collect();
    ensure!(
        listed == expected,
        "limits: {expected:?}, the page has {listed:?}"
    );
    let expected = [
        ("GEO_BYTES_MAX", GEO_BYTES_MAX),
        ("LINES_KEPT", LINES_KEPT),
        ("PEER_LABELS_MAX", PEER_LABELS_MAX),
        ("PEER_LABEL_BYTES_MAX", PEER_LABEL_BYTES_MAX),
        ("SOURCES_MAX", SOURCES_MAX),
        ("SOURCE_NAME_BYTES_MAX", SOURCE_NAME_BYTES_MAX),
    ];
    let constants = tables("Constants of the library")?;
    let listed = firsts(&constants);
    let expected = expected.map(|(name, number)| (name, number.to_string()));
    ensure!(
        listed == expected,
        "bounds: {expected:?}, the page has {listed:?}"
    );
    Ok(())
}

/// Compares the names with those of the host, and the versions with those that the linker has.
fn check_imports(table: &Rows) -> Result<()> {
    let provided = ImportGrants::default();
    let names: Vec<&str> = provided.names().collect();
    let listed: Vec<&str> = table.keys().map(String::as_str).collect();
    ensure!(
        names == listed,
        "the host has {names:?}, the page {listed:?}"
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
        ensure!(fits, "{name} is served, the page has {listed}");
    }
    Ok(())
}

/// Returns the imports of a plugin that imports every interface and loads.
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
        ensure!(asked, "reach/everything.wit does not import `{name}`");
    }
    Ok(PLUGIN.get_or_init(|| plugin.imports().to_vec()).clone())
}

fn check_grants(table: &Rows, imports: &Rows) -> Result<()> {
    let settings = settings();
    let default = |name: &str| -> Result<String> {
        let setting = settings
            .get(name)
            .with_context(|| format!("no setting `{name}`"))?;
        Ok(setting.default.clone().unwrap_or_default())
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
        "grants: {expected:?}, the page has {listed:?}"
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
