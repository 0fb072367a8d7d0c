//! The pages of documentation, compared with the code: links, commands, settings, problems and operations.

mod pages;
mod reference;
mod settings;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use clap::error::ErrorKind;
use edge_cache_agent::cli::Cli;
use edge_cache_api::ProblemType;
use edge_cache_tests::agent::Agent;
use edge_cache_tests::openapi::Description;

use self::pages::{PAGES, blocks, headings, links, page, path};
pub(crate) use self::pages::{Rows, keep, section, tables};
pub(crate) use self::settings::settings;

/// The end of a generated part.
const END: &str = "<!-- end -->";

/// Limits that no setting changes: the declaration in the source, and the row of the page.
const CONSTANTS: [(&str, &str, &str); 26] = [
    (
        "host/registry/src/zlayer/thread.rs",
        "QUEUE: usize = 1_024;",
        "wait for their thread; a caller waits for room | 1,024 |",
    ),
    (
        "host/registry/src/zlayer/thread.rs",
        "CALL_DEADLINE: Duration = Duration::from_secs(10);",
        "| a call into the plugin | 10 s,",
    ),
    (
        "host/agent/src/http/limits.rs",
        "HEALTH_CONNECTIONS_MAX: usize = 64;",
        "| connections to `health_listen` | 64 |",
    ),
    (
        "host/agent/src/http/limits.rs",
        "EVENT_STREAMS_MAX: usize = 64;",
        "| event streams; requests with `?wait=` | 64 each |",
    ),
    (
        "host/agent/src/http/limits.rs",
        "WAITS_MAX: usize = 64;",
        "| event streams; requests with `?wait=` | 64 each |",
    ),
    (
        "host/agent/src/http/limits.rs",
        "HEADERS_BYTES_MAX: usize = 16 * 1024;",
        "| head of a request | 16 KiB, within 10 s ",
    ),
    (
        "host/agent/src/http/limits.rs",
        "HEADERS_TIMEOUT: Duration = Duration::from_secs(10);",
        "| head of a request | 16 KiB, within 10 s ",
    ),
    (
        "host/agent/src/http/limits.rs",
        "HEALTH_HEADERS_TIMEOUT: Duration = Duration::from_secs(1);",
        "within 10 s (1 s at `health_listen`)",
    ),
    (
        "host/agent/src/http/limits.rs",
        "HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);",
        "| TLS handshake | 5 s |",
    ),
    (
        "host/agent/src/http/limits.rs",
        "SMALL_BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;",
        "| all bodies up to 64 KiB together | 16 MiB |",
    ),
    (
        "host/agent/src/http/limits.rs",
        "LARGE_BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;",
        "| all larger bodies together | 32 MiB,",
    ),
    (
        "host/agent/src/http/limits.rs",
        "BODY_BYTES_PER_SECOND_MIN: u32 = 16 * 1024;",
        "| speed of a body | 16 KiB a second, ",
    ),
    (
        "host/api/src/limits.rs",
        "KEY_BYTES_MAX: usize = 4 * 1024;",
        "| routing key | 4 KiB |",
    ),
    (
        "host/api/src/limits.rs",
        "WAIT_MAX: Duration = Duration::from_secs(60);",
        "| `?wait=` | 60 s |",
    ),
    (
        "host/api/src/limits.rs",
        "SNAPSHOT_BYTES_MAX: usize = 1024 * 1024 * 1024;",
        "| snapshot that a command reads | 1 GiB |",
    ),
    (
        "host/api/src/node.rs",
        "LIMIT_MAX: usize = 10_000;",
        "| page of `GET /api/v1/edge-cache/nodes` | 10,000 nodes |",
    ),
    (
        "host/agent/src/http/limits.rs",
        "SNAPSHOTS_MAX: usize = 1;",
        "| snapshots that are taken and sent | 1 |",
    ),
    (
        "host/registry/src/store/directory.rs",
        "FORMER_MAX: u32 = 100;",
        "| former stores that `snapshot restore` keeps | 100, then it refuses |",
    ),
    (
        "host/distribution/src/manifest.rs",
        "MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;",
        "| manifest | 4 MiB |",
    ),
    (
        "host/distribution/src/registry/config.rs",
        "TRIES_MAX: u32 = 4;",
        "| tries of a request | 4, ",
    ),
    (
        "host/distribution/src/registry/config.rs",
        "REDIRECTS_MAX: u32 = 5;",
        "| redirects of a request | 5 |",
    ),
    (
        "host/distribution/src/registry/config.rs",
        "WHOLE_TIMEOUT: Duration = Duration::from_secs(600);",
        "| a whole pull or push | 10 minutes |",
    ),
    (
        "host/gossip/src/validator/protocol.rs",
        "INFLATED_BYTES_MAX: usize = 8 * 1024 * 1024;",
        "| inflated message | 8 MiB |",
    ),
    (
        "host/gossip/src/validator/protocol.rs",
        "MEMBERS_MAX: usize = 4_096;",
        "| members | 4,096 |",
    ),
    (
        "host/gossip/src/heard.rs",
        "ADDRESSES_MAX: usize = 4_096;",
        "| addresses whose last datagram is remembered | 4,096;",
    ),
    (
        "host/agent/src/config/unknown.rs",
        "WARNINGS_MAX: usize = 32;",
        "| warnings about unknown `EDGE_CACHE_…` variables | 32 |",
    ),
];

#[test]
fn links_lead_to_files_and_headings() -> Result<()> {
    for name in PAGES {
        let text = page(name)?;
        let found = links(&text);
        for link in found.iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path(name),
                file => path(name)
                    .parent()
                    .context("a page has a folder")?
                    .join(file),
            };
            ensure!(target.exists(), "{name}: {link} leads nowhere");
            if !anchor.is_empty() {
                let headings = headings(&fs::read_to_string(target)?);
                ensure!(
                    headings.contains(anchor),
                    "{name}: {link} has no heading: {headings:?}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_newcomer_finds_every_page_from_the_readme() -> Result<()> {
    let readme = page("README.md")?;
    for name in PAGES.iter().filter(|name| name.starts_with("host/docs/")) {
        ensure!(readme.contains(&format!("({name}")), "{name} is not linked");
    }
    ensure!(
        readme.len() <= 6 * 1024,
        "the README has {} bytes",
        readme.len()
    );
    Ok(())
}

#[test]
fn commands_of_the_pages_are_accepted() -> Result<()> {
    let mut count = 0;
    for name in PAGES {
        let text = page(name)?;
        let commands = blocks(&text, "sh").flat_map(str::lines);
        for line in commands.filter_map(arguments) {
            // A loop of the shell numbers the agents, and a variable of it names a plugin.
            let line = line.replace("$n", "1");
            let line = line.replace("$PLUGIN", "oci://registry.example/registry:1");
            // Quotes are for the shell.
            let line = line.replace('\'', "");
            let given = std::iter::once("edge-cache-agent").chain(line.split_whitespace());
            let error = Cli::try_parse_from(with_command(given)).err();
            // What is required may come from the file.
            let is_accepted = error.as_ref().is_none_or(|error| {
                error.exit_code() == 0 || error.kind() == ErrorKind::MissingRequiredArgument
            });
            ensure!(is_accepted, "{name}: {line}: {error:?}");
            count += 1;
        }
    }
    ensure!(count > 15, "only {count} commands were found");
    Ok(())
}

#[test]
fn the_example_of_the_readme_is_that_of_the_library() -> Result<()> {
    let readme = page("README.md")?;
    let example = fs::read_to_string(path("host/registry/examples/embed.rs"))?;
    let words = |text: &str| {
        text.split_whitespace()
            .collect::<String>()
            .replace(",}", "}")
    };
    let example = words(&example);
    let rust: Vec<_> = blocks(&readme, "rust").flat_map(str::lines).collect();
    ensure!(rust.len() > 3, "the README has no example");
    for call in [
        "Plugin::from_file(",
        "EdgeCacheRegistry::builder(plugin)",
        "registry.enable(",
    ] {
        ensure!(
            rust.iter().any(|line| line.contains(call)),
            "no {call} in the README"
        );
        ensure!(example.contains(&words(call)), "no {call} in the example");
    }
    Ok(())
}

#[test]
fn the_examples_of_moving_a_program_are_compiled() -> Result<()> {
    let text = page("host/docs/migrating.md")?;
    let compiled = [
        "host/registry/src/zlayer.rs",
        "tests/zlayer/src/own_pool.rs",
    ];
    let mut sources = String::new();
    for name in compiled {
        sources.push_str(&fs::read_to_string(path(name))?.replace("//! ", ""));
    }
    let mut count = 0;
    for line in blocks(&text, "rust").flat_map(str::lines) {
        ensure!(sources.contains(line), "none of {compiled:?} has: {line}");
        count += 1;
    }
    ensure!(count > 10, "the page has no examples");
    Ok(())
}

/// The parts between `<!-- generated: NAME -->` and `<!-- end -->`.
#[test]
fn generated_tables_are_up_to_date() -> Result<()> {
    let settings = settings();
    let section = |name| settings::table(&settings, name);
    let tables = [
        ("drop reasons", drop_reasons()?),
        ("problems", problems()),
        ("settings", settings::page(&settings)),
        ("limits", section("limits")),
        ("limits.labels", section("limits.labels")),
    ];
    let mut written = 0;
    for name in [
        "host/docs/settings.md",
        "host/docs/limits.md",
        "host/docs/http-api.md",
        "host/docs/metrics.md",
    ] {
        let text = page(name)?;
        let mut expected = text;
        for (part, table) in &tables {
            let begin = format!("<!-- generated: {part} -->\n");
            let Some((before, rest)) = expected.split_once(&begin) else {
                continue;
            };
            written += 1;
            let (_, after) = rest.split_once(END).context("a part has an end")?;
            expected = format!("{before}{begin}{table}{END}{after}");
        }
        keep(name, &expected)?;
    }
    ensure!(written == tables.len(), "{written} parts were found");
    Ok(())
}

#[test]
fn limits_of_the_page_are_those_of_the_source() -> Result<()> {
    let limits = page("host/docs/limits.md")?;
    for (file, declaration, row) in CONSTANTS {
        let source = fs::read_to_string(path(file))?;
        ensure!(
            source.contains(declaration),
            "{file} no longer has {declaration}"
        );
        ensure!(limits.contains(row), "the page no longer has {row}");
    }
    Ok(())
}

#[tokio::test]
async fn the_page_of_the_api_lists_every_operation_with_its_role() -> Result<()> {
    let agent = Agent::start(&["--node-id", "1"]).await?;
    let description = Description::new(agent.get("/openapi.json").await?);
    let mut served = BTreeMap::new();
    for operation in description.operations()? {
        let role = operation.said["security"]
            .as_array()
            .and_then(|all| all.iter().find_map(|one| one["bearer"][0].as_str()))
            .unwrap_or("none");
        let name = format!("{} {}", operation.method, operation.path);
        served.insert(name, role.to_string());
    }
    let text = page("host/docs/http-api.md")?;
    let tables = tables(section(&text, "Operations")?)?;
    let listed: BTreeMap<_, _> = tables
        .iter()
        .flatten()
        .map(|(name, cells)| (name.clone(), cells[0].clone()))
        .collect();
    ensure!(served == listed, "served: {served:#?}\nlisted: {listed:#?}");
    Ok(())
}

fn problems() -> String {
    let mut table = "| status | type | title |\n|---|---|---|\n".to_string();
    for problem in ProblemType::ALL {
        let (status, uri, title) = (problem.status(), problem.uri(), problem.title());
        let _ = writeln!(table, "| {status} | `{uri}` | {title} |");
    }
    table
}

/// Returns the table of reasons, each with the comment of its variant.
fn drop_reasons() -> Result<String> {
    let source = fs::read_to_string(path("host/gossip/src/drop_reason.rs"))?;
    let (_, variants) = source
        .split_once("enum DropReason {\n")
        .context("an enum")?;
    let mut table = "| reason | meaning |\n|---|---|\n".to_string();
    let mut meaning = Vec::new();
    for line in variants.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            meaning.push(comment);
        } else if let Some(name) = line.strip_suffix(',') {
            let name = snake_case(name);
            let _ = writeln!(table, "| `{name}` | {} |", meaning.join(" "));
            meaning.clear();
        }
    }
    Ok(table)
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// Returns the arguments of a line that runs the agent.
fn arguments(line: &str) -> Option<&str> {
    let line = line.trim().trim_start_matches("(umask 077; ");
    let rest = line
        .strip_prefix("cargo agent -- ")
        .or_else(|| line.strip_prefix("edge-cache-agent "))?;
    let end = [" > ", " 2>", " | ", " &", " #", "  #", " || ", ")", " \\"]
        .iter()
        .filter_map(|mark| rest.find(mark))
        .min();
    Some(rest[..end.unwrap_or(rest.len())].trim())
}

/// Adds the command that is the default.
fn with_command<'a>(given: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut words: Vec<_> = given.collect();
    if words.get(1).is_none_or(|first| first.starts_with('-')) {
        words.insert(1, "run");
    }
    words
}
