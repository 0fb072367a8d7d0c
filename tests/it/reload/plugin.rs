//! The plugin at a reload: another declared source or other declared settings apply, and nothing else replaces it.

use std::fs;
use std::sync::Arc;

use edge_cache_tests::component::hostile;
use tokio::task::JoinSet;

use super::*;

const PLUGIN: &str = "/api/v1/plugin";
/// Reloads while a plugin loads, more than may wait.
const ROUNDS: usize = 8;

/// Returns the setting in effect as an agent shows it.
async fn shown(agent: &files::Running, key: &str) -> Result<Value> {
    let agent = agent.get(AGENT).await?;
    let settings = agent["settings"].as_array().context("no settings")?;
    let found = settings.iter().find(|setting| setting["key"] == key);
    Ok(found.context("no such setting")?["value"].clone())
}

#[tokio::test]
async fn a_declared_source_and_declared_settings_apply() -> Result<()> {
    let files = Files::new().await?;
    let agent = files.start().await?;
    let first = agent.get(PLUGIN).await?;

    files.settings("info", "[plugin.settings]\nweight = 'ram'\n")?;
    let report = agent.reload().await?;
    let mut expected = all("unchanged");
    expected.insert("plugin", "changed");
    ensure!(outcomes(&report)? == expected, "{report}");
    let weighed = agent.get(PLUGIN).await?;
    ensure!(weighed["sha256"] == first["sha256"], "{weighed}");
    ensure!(weighed["policy"] != first["policy"], "{weighed}");
    ensure!(weighed["is_declared"] == true, "{weighed}");
    ensure!(shown(&agent, "plugin.settings").await? == "weight=(hidden)");
    let report = agent.reload().await?;
    ensure!(outcomes(&report)? == all("unchanged"), "{report}");

    // What the plugin refuses is not in effect, and is tried again.
    for _ in 0..2 {
        files.settings("info", "[plugin.settings]\nnonsense = '1'\n")?;
        let report = agent.reload().await?;
        ensure!(outcomes(&report)?["plugin"] == "failed", "{report}");
        ensure!(detail(&report, "plugin").contains("nonsense"), "{report}");
        ensure!(agent.get(PLUGIN).await? == weighed);
        ensure!(shown(&agent, "plugin.settings").await? == "weight=(hidden)");
    }

    // Another file, and a digest that it does not have.
    let other = with_section(files.component, "note", b"2");
    files.plugin(&other)?;
    files.sign().await?;
    for name in ["p.wasm", "p.wasm.proof"] {
        fs::rename(files.path(name), files.path(&format!("other-{name}")))?;
    }
    let path = files.path("other-p.wasm");
    let wrong = format!("plugin.sha256 = '{}'\n", "0".repeat(64));
    files.settings_of(&path, "info", &wrong)?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)?["plugin"] == "failed", "{report}");
    files.settings_of(&path, "info", "")?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)?["plugin"] == "changed", "{report}");
    let now = agent.get(PLUGIN).await?;
    ensure!(now["sha256"] != first["sha256"], "{now}");
    ensure!(now["declared"]["source"] == path.display().to_string());
    ensure!(shown(&agent, "plugin.source").await? == path.display().to_string());
    Ok(())
}

#[tokio::test]
async fn new_tokens_do_not_wait_for_plugins_that_take_their_time() -> Result<()> {
    let files = Files::new().await?;
    let flags = files.flags();
    let flags = flags.each_ref().map(String::as_str);
    let flags = [&flags[..], &["--limits-load-deadline", "600s"]].concat();
    let agent = Arc::new(files.start_with(&files::WITHOUT_LOG, &flags).await?);
    // The plugin that loads this node never ends.
    let node = agent.request(Method::POST, "/api/v1/nodes/666/edge-cache");
    let capacity = json!({"cpu_cores": 4, "ram_mib": 8192, "disk_mib": 102_400});
    let body = json!({"capacity": capacity});
    let enabled = answer(node.bearer_auth(&files.admin.secret).json(&body)).await?;
    ensure!(enabled.status == 204, "{enabled:?}");
    files.plugin(&fs::read(hostile()?)?)?;
    files.sign().await?;
    files.settings("info", "[plugin.settings]\nbehaviour = 'loop@load'\n")?;
    let mut slow = JoinSet::new();
    for round in 0..ROUNDS {
        let reader = token(&format!("reader-{round}"), "read").await;
        files.tokens(&[&files.admin, &reader]);
        let asked = agent.clone();
        slow.spawn(async move { asked.reload().await });
        until("the new token", SOON, || async {
            let request = agent.request(Method::GET, AGENT);
            let answer = answer(request.bearer_auth(&reader.secret)).await;
            let status = answer.unwrap().status;
            if status == 200 { Ok(()) } else { Err(status) }
        })
        .await;
    }
    // Two at most are at the plugin, and two at the trust rules, which the plugin holds up.
    for _ in 0..ROUNDS - 4 {
        let report = slow.join_next().await.context("none")???;
        let waits = "an earlier reload waits, and will read it as it is then";
        ensure!(detail(&report, "plugin") == waits, "{report}");
    }
    ensure!(!slow.is_empty(), "a plugin took no time");
    Ok(())
}
