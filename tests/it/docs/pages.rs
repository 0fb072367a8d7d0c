//! Markdown: the links, blocks, headings and tables of a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The variable with which what is generated of the pages is written instead of compared.
const UPDATE: &str = "EDGE_CACHE_UPDATE_DOCS";

/// All pages.
pub(crate) const PAGES: [&str; 20] = [
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    "README.md",
    "host/docs/architecture.md",
    "host/docs/changelog.md",
    "host/docs/clusters.md",
    "host/docs/embedding.md",
    "host/docs/http-api.md",
    "host/docs/limits.md",
    "host/docs/metrics.md",
    "host/docs/migrating.md",
    "host/docs/install.md",
    "host/docs/operating.md",
    "host/docs/performance.md",
    "host/docs/plugins.md",
    "host/docs/policies.md",
    "host/docs/security.md",
    "host/docs/settings.md",
    "host/docs/traffic.md",
    "wit/README.md",
];

/// The rows of a table: the other cells by the first.
pub(crate) type Rows = BTreeMap<String, Vec<String>>;

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(name)
}

pub(crate) fn page(name: &str) -> Result<String> {
    fs::read_to_string(path(name)).context(name.to_string())
}

/// Compares a file with what was generated, or writes it where that is asked for.
pub(crate) fn keep(name: &str, generated: impl AsRef<[u8]>) -> Result<()> {
    if std::env::var_os(UPDATE).is_some() {
        return Ok(fs::write(path(name), generated)?);
    }
    ensure!(
        fs::read(path(name)).context(name.to_string())? == generated.as_ref(),
        "{name} is out of date: run this test with {UPDATE}=1"
    );
    Ok(())
}

/// Returns the text below a heading of the second level.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> Result<&'a str> {
    let (_, rest) = text
        .split_once(&format!("\n## {heading}\n"))
        .with_context(|| format!("there is no section {heading}"))?;
    Ok(rest
        .split_once("\n## ")
        .map_or(rest, |(section, _)| section))
}

/// Returns the tables of a section, of the rows that begin with code.
pub(crate) fn tables(section: &str) -> Result<Vec<Rows>> {
    let mut tables = Vec::new();
    for line in section.lines() {
        if line.starts_with("|---") {
            tables.push(Rows::new());
        } else if line.starts_with("| `") {
            let mut cells = line
                .trim_matches('|')
                .split('|')
                .map(|cell| unquoted(cell.trim()).to_string());
            let name = cells.next().context("a row has cells")?;
            let table = tables.last_mut().context("a row is in a table")?;
            let before = table.insert(name.clone(), cells.collect());
            ensure!(before.is_none(), "`{name}` is listed twice");
        }
    }
    Ok(tables)
}

/// Returns the blocks of a language.
pub(super) fn blocks<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("{language}\n");
    text.split("```")
        .skip(1)
        .step_by(2)
        .filter_map(move |block| block.strip_prefix(&fence))
}

/// Returns the targets of all links outside of blocks.
pub(super) fn links(text: &str) -> Vec<&str> {
    text.split("```")
        .step_by(2)
        .flat_map(|prose| prose.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link)
        .collect()
}

/// Returns the anchors of all headings.
pub(super) fn headings(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|character| character.is_alphanumeric() || [' ', '-'].contains(character))
                .map(|character| if character == ' ' { '-' } else { character })
                .collect()
        })
        .collect()
}

/// Returns a cell that is code as a whole without its marks.
fn unquoted(cell: &str) -> &str {
    cell.strip_prefix('`')
        .and_then(|code| code.strip_suffix('`'))
        .filter(|code| !code.contains('`'))
        .unwrap_or(cell)
}
