//! Reloads: what an agent reads again at SIGHUP and `POST /api/v1/agent/reload`, and what it says of it.

mod audit;
pub(crate) mod files;
mod plugin;
mod settings;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use edge_cache_api::Timestamp;
use edge_cache_tests::agent::{answer, run_to_end, write_secret};
use edge_cache_tests::component::with_section;
use edge_cache_tests::wait::until;
use futures_util::future::join_all;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use self::files::{Files, Pair};
use crate::access::token;
use crate::gossip_node::keygen;

const RELOAD: &str = "/api/v1/agent/reload";
const AGENT: &str = "/api/v1/agent";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Beyond any of what is waited for here, compiling a plugin included.
const SOON: Duration = Duration::from_secs(60);

/// Returns the outcomes of a report, by part.
fn outcomes(report: &Value) -> Result<BTreeMap<&str, &str>> {
    let parts = report["parts"].as_array().context("no parts")?;
    parts
        .iter()
        .map(|part| Some((part["part"].as_str()?, part["outcome"].as_str()?)))
        .collect::<Option<_>>()
        .with_context(|| report.to_string())
}

/// Returns the detail of a part.
fn detail<'a>(report: &'a Value, part: &str) -> &'a str {
    let parts = report["parts"].as_array().unwrap();
    let part = parts.iter().find(|found| found["part"] == part);
    part.and_then(|part| part["detail"].as_str())
        .unwrap_or_default()
}

/// All parts of an agent that has every file, with one outcome.
fn all(outcome: &'static str) -> BTreeMap<&'static str, &'static str> {
    let parts = [
        "settings",
        "log.level",
        "gossip-keys",
        "api-tokens",
        "certificate",
        "trust-rules",
        "plugin",
    ];
    parts.map(|part| (part, outcome)).into()
}

#[tokio::test]
async fn each_part_is_named_with_its_outcome() -> Result<()> {
    let files = Files::new().await?;
    let agent = files.start().await?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)? == all("unchanged"), "{report}");
    let first = agent.get("/api/v1/plugin").await?;

    // Every file changes, and settings do that need a restart.
    let second = Pair::valid()?;
    files.tokens(&[&files.admin, &token("reader", "read").await]);
    write_secret(&files.path("keys"), keygen().await)?;
    files.certificate(&second, &second)?;
    files.trust("not_after = 2100-01-01T00:00:00Z")?;
    files.plugin(&with_section(files.component, "note", b"2"))?;
    files.sign().await?;
    let more = "[gossip]\ninterval = '2s'\n[plugin.settings]\nweight = 'ram'\n";
    files.settings("info,edge_cache_agent=debug", more)?;
    let agent = agent.trusting(&second)?;
    let before = files.first.clone();
    let report = agent.trusting(&before)?.reload().await?;
    let mut expected = all("changed");
    expected.insert("settings", "needs-restart");
    expected.insert("gossip.interval", "needs-restart");
    ensure!(outcomes(&report)? == expected, "{report}");
    let interval = detail(&report, "gossip.interval");
    ensure!(
        interval.contains("`1s`") && interval.contains("`2s`"),
        "{interval}"
    );
    // A setting of a plugin may be a secret.
    ensure!(!report.to_string().contains("ram"), "{report}");
    ensure!(detail(&report, "log.level").contains("edge_cache_agent=debug"));
    let shown = agent.get("/api/v1/plugin").await?;
    ensure!(shown["sha256"] != first["sha256"], "{shown}");

    // What needs a restart still does, and nothing else has changed.
    let report = agent.reload().await?;
    let mut expected = all("unchanged");
    for part in ["settings", "gossip.interval"] {
        expected.insert(part, "needs-restart");
    }
    ensure!(outcomes(&report)? == expected, "{report}");

    // No file can be used. The good ones go on.
    std::fs::write(files.path("tokens"), "nonsense")?;
    std::fs::write(files.path("keys"), "nonsense")?;
    std::fs::write(files.path("trust.toml"), "nonsense")?;
    files.plugin(b"nonsense")?;
    files.certificate(&second, &before)?;
    let report = agent.reload().await?;
    let mut expected = all("failed");
    for part in ["settings", "gossip.interval"] {
        expected.insert(part, "needs-restart");
    }
    expected.insert("log.level", "unchanged");
    ensure!(outcomes(&report)? == expected, "{report}");
    for (part, said) in [
        ("gossip-keys", "base64"),
        ("api-tokens", "line 1"),
        ("certificate", "cannot be used together"),
        ("trust-rules", "trust.toml"),
        ("plugin", "is not a WebAssembly file"),
    ] {
        let detail = detail(&report, part);
        ensure!(detail.contains(said), "{part}: {detail}");
    }
    ensure!(agent.get("/api/v1/plugin").await?["sha256"] == shown["sha256"]);
    ensure!(!report.to_string().contains("PRIVATE KEY"), "{report}");
    Ok(())
}

#[tokio::test]
async fn a_signal_reloads_the_same_parts_and_logs_them() -> Result<()> {
    let files = Files::new().await?;
    let agent = files.start().await?;
    files.tokens(&[&files.admin, &token("reader", "read").await]);
    files.settings("info", "[gossip]\ninterval = '2s'\n")?;
    std::fs::write(files.path("keys"), "nonsense")?;
    agent.node.signal(Signal::HUP);
    for (level, part, outcome) in [
        ("INFO", "api-tokens", "reloaded"),
        ("WARN", "gossip.interval", "needs a restart"),
        ("ERROR", "gossip-keys", "not reloaded"),
    ] {
        let is_said = |line: &str| {
            line.contains(level) && line.contains(outcome) && line.contains(&format!("part={part}"))
        };
        until(part, SOON, || async {
            let log = agent.node.log();
            log.lines().any(is_said).then_some(()).ok_or(log)
        })
        .await;
    }
    // The table of the command names the same, and its status the failure.
    let ended = agent.command(&["reload"]).await?;
    ensure!(ended.code == Some(1), "{ended:?}");
    for said in ["gossip-keys", "failed", "gossip.interval", "needs-restart"] {
        ensure!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let warning = "parts of the last reload failed: gossip-keys; a start";
    let ready = agent.get("/health/readyz").await?;
    ensure!(ready["warnings"].to_string().contains(warning), "{ready}");
    write_secret(&files.path("keys"), keygen().await)?;
    let ended = agent.command(&["reload", "--format", "json"]).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let ready = agent.get("/health/readyz").await?;
    ensure!(!ready["warnings"].to_string().contains(warning), "{ready}");
    let report: Value = serde_json::from_str(&ended.stdout)?;
    ensure!(outcomes(&report)?["gossip-keys"] == "changed", "{report}");
    Ok(())
}

#[tokio::test]
async fn only_a_valid_certificate_of_its_key_replaces_a_good_one() -> Result<()> {
    let files = Files::new().await?;
    let agent = files.start().await?;
    let expiry = "edge_cache_certificate_expiry_timestamp_seconds";
    let (successful, at) = (
        "edge_cache_config_last_reload_successful",
        "edge_cache_config_last_reload_success_timestamp_seconds",
    );
    let start = agent.scrape().await?;
    ensure!(start.value(expiry) > start.value(at), "it ends in future");
    ensure!(start.value(successful) == 1.0 && start.value(at) > 0.0);
    let other = Pair::valid()?;
    for (certificate, key, said) in [
        (Pair::of_years(2001, 2002)?, None, "was valid until"),
        (Pair::of_years(2900, 2901)?, None, "is not valid before"),
        (Pair::valid()?, Some(&other), "cannot be used together"),
    ] {
        files.certificate(&certificate, key.unwrap_or(&certificate))?;
        let report = agent.reload().await?;
        ensure!(outcomes(&report)?["certificate"] == "failed", "{report}");
        let detail = detail(&report, "certificate");
        ensure!(detail.contains(said), "{said}: {detail}");
        // New connections get the former one.
        let agent = agent.trusting(&files.first)?;
        let scrape = agent.scrape().await?;
        ensure!(scrape.value(successful) == 0.0);
        ensure!(scrape.value(at) == start.value(at));
        ensure!(scrape.value(expiry) == start.value(expiry));
    }
    let until = Pair::of_years(2001, 2400)?;
    files.certificate(&until, &until)?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)?["certificate"] == "changed", "{report}");
    let scrape = agent.trusting(&until)?.scrape().await?;
    ensure!(scrape.value(successful) == 1.0 && scrape.value(at) >= start.value(at));
    ensure!(scrape.value(expiry) > start.value(expiry));
    // As at the start, one for another host is taken with a warning.
    let elsewhere = Pair::for_another_host()?;
    files.certificate(&elsewhere, &elsewhere)?;
    let report = agent.trusting(&until)?.reload().await?;
    ensure!(outcomes(&report)?["certificate"] == "changed", "{report}");
    let warned = detail(&report, "certificate").contains("is not for 127.0.0.1");
    ensure!(warned, "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_at_the_same_time_end_with_what_the_files_hold() -> Result<()> {
    let files = Files::new().await?;
    let agent = files.start().await?;
    let reader = token("reader", "read").await;
    for round in 0..5 {
        let mut both = vec![&files.admin];
        if round % 2 == 0 {
            both.push(&reader);
        }
        files.tokens(&both);
        let asked = (0..8).map(|index| {
            if index % 4 == 3 {
                agent.node.signal(Signal::HUP);
            }
            agent.reload()
        });
        for report in join_all(asked).await {
            let report = report?;
            let outcomes = outcomes(&report)?;
            ensure!(!outcomes.values().any(|it| *it == "failed"), "{report}");
        }
        // The last reload of the round began after the file was written.
        let request = agent
            .request(Method::GET, AGENT)
            .bearer_auth(&reader.secret);
        let expected = if round % 2 == 0 { 200 } else { 401 };
        ensure!(answer(request).await?.status == expected, "round {round}");
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_without_files_has_little_to_reload_and_asks_for_an_admin() -> Result<()> {
    let node = crate::gossip_node::Node::start(1, &[]).await?;
    let refused = node.ask(Method::POST, RELOAD, None).await;
    ensure!(refused.status == 403, "{refused:?}");
    let ended = run_to_end(&["reload", "--addr", &node.http.to_string()]).await?;
    ensure!(ended.code == Some(4), "{ended:?}");
    drop(node);
    let node = crate::gossip_node::Node::start(1, &["--allow-local-admin"]).await?;
    let reloaded = node.ask(Method::POST, RELOAD, None).await;
    ensure!(reloaded.status == 200, "{reloaded:?}");
    let expected = json!(["settings", "log.level", "plugin"]);
    let parts = reloaded.body["parts"].as_array().context("no parts")?;
    let names: Vec<_> = parts.iter().map(|part| part["part"].clone()).collect();
    ensure!(json!(names) == expected, "{names:?}");
    Ok(())
}

#[tokio::test]
async fn a_certificate_is_told_before_it_expires() -> Result<()> {
    let files = Files::new().await?;
    let mut agent = files.start().await?;
    for (days, said) in [
        (13, Some("expires in 12 days")),
        (2, Some("expires tomorrow")),
        (16, None),
    ] {
        let certificate = Pair::until(SystemTime::now() + DAY * days - DAY / 2)?;
        files.certificate(&certificate, &certificate)?;
        agent.reload().await?;
        agent = agent.trusting(&certificate)?;
        let ready = agent.get("/health/readyz").await?;
        let warnings = ready["warnings"].to_string();
        ensure!(
            warnings.contains("the certificate of the API") == said.is_some(),
            "{ready}"
        );
        ensure!(said.is_none_or(|said| warnings.contains(said)), "{ready}");
    }
    Ok(())
}

#[tokio::test]
async fn a_trust_rule_is_told_before_it_ends() -> Result<()> {
    let files = Files::new().await?;
    let agent = files.start().await?;
    let now = SystemTime::now();
    for (end, said) in [
        (
            Some(now + DAY * 13 - DAY / 2),
            Some("ends in 12 days: renew"),
        ),
        (Some(now + DAY * 2 - DAY / 2), Some("ends tomorrow: renew")),
        (Some(now + DAY / 2), Some("ends within a day: renew")),
        (Some(now + DAY * 16), None),
        (None, None),
    ] {
        let end = end.map(|end| format!("not_after = {}", Timestamp::from(end)));
        files.trust(&end.unwrap_or_default())?;
        let report = agent.reload().await?;
        let ready = agent.get("/health/readyz").await?;
        let warnings = ready["warnings"].to_string();
        let is_told = warnings.contains("of `plugin.trust` that lets the declared plugin in");
        ensure!(is_told == said.is_some(), "{ready} {report}");
        ensure!(said.is_none_or(|said| warnings.contains(said)), "{ready}");
    }
    Ok(())
}
