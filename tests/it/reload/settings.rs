//! The settings file at a reload: refused whole, or applied as far as a running agent can.

use super::*;

/// A part of a line for each request that reads.
const READ_LINE: &str = "/health/livez";

#[tokio::test]
async fn a_file_that_is_wrong_is_refused_whole_and_holds_up_no_other_part() -> Result<()> {
    let files = Files::new().await?;
    let agent = files.start().await?;
    let mut expected = all("unchanged");
    for (level, more, said) in [
        ("inof", "", "did you mean `info`?"),
        ("info", "nonsense = 1\n", "there is no setting `nonsense`"),
        ("info", "= 1\n", "is not TOML"),
        // Each is right by itself.
        ("info", "allow_local_admin = true\n", "--allow-local-admin"),
    ] {
        let reader = token("reader", "read").await;
        files.tokens(&[&files.admin, &reader]);
        files.settings(level, more)?;
        let report = agent.reload().await?;
        expected.extend([("settings", "failed"), ("api-tokens", "changed")]);
        ensure!(outcomes(&report)? == expected, "{said}: {report}");
        let refused = detail(&report, "settings");
        ensure!(refused.contains(said), "{said}: {refused}");
        let request = agent
            .request(Method::GET, AGENT)
            .bearer_auth(&reader.secret);
        ensure!(answer(request).await?.status == 200, "{said}");
        // A start and a check refuse it by the same text.
        let flags = files.flags();
        let flags = flags.each_ref().map(String::as_str);
        for words in [&["run"][..], &["config", "check"]] {
            let ended = run_to_end(&[words, &["--node-id", "1"], &flags].concat()).await?;
            ensure!(ended.code == Some(2), "{ended:?}");
            let text = format!("{}{}", ended.stdout, ended.stderr);
            ensure!(text.contains(said), "{words:?}: {said}: {text}");
        }
        // The request has logged it once.
        agent.node.signal(Signal::HUP);
        until("the refusal in the log", SOON, || async {
            let log = agent.node.log();
            let lines = log.lines().filter(|line| line.contains("ERROR"));
            let count = lines.filter(|line| line.contains(said)).count();
            if count == 2 { Ok(()) } else { Err(log) }
        })
        .await;
        let scrape = agent.scrape().await?;
        ensure!(scrape.value("edge_cache_config_last_reload_successful") == 0.0);
    }
    let ended = agent.command(&["reload"]).await?;
    ensure!(ended.code == Some(1), "{ended:?}");
    ensure!(ended.stdout.contains("failed"), "{ended:?}");
    ensure!(agent.level().await? == "info");
    Ok(())
}

#[tokio::test]
async fn a_log_level_applies_at_once() -> Result<()> {
    let files = Files::new().await?;
    let agent = files.start().await?;
    // Reads are logged at `debug`.
    let lines = || agent.node.log().matches(READ_LINE).count();
    agent.get(READ_LINE).await?;
    files.settings("info,edge_cache_agent=debug", "")?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)?["log.level"] == "changed", "{report}");
    ensure!(agent.level().await? == "info,edge_cache_agent=debug");
    until("a line", SOON, || async {
        agent.get(READ_LINE).await.unwrap();
        let seen = lines();
        if seen > 0 { Ok(()) } else { Err(seen) }
    })
    .await;
    // The line of the reload itself is the last at this level.
    files.settings("warn", "[gossip]\ninterval = '2s'\n")?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)?["log.level"] == "changed", "{report}");
    let is_warned = |line: &str| line.contains("WARN") && line.contains("gossip.interval");
    let before = until("the end of the lines", SOON, || async {
        let is_there = agent.node.log().lines().any(is_warned);
        is_there.then(lines).ok_or(lines())
    })
    .await;
    for _ in 0..3 {
        agent.get(READ_LINE).await?;
    }
    // A line that is written later comes after those that would have been.
    let warned = agent
        .node
        .log()
        .lines()
        .filter(|line| is_warned(line))
        .count();
    agent.reload().await?;
    until("a later line", SOON, || async {
        let now = agent
            .node
            .log()
            .lines()
            .filter(|line| is_warned(line))
            .count();
        if now > warned { Ok(()) } else { Err(now) }
    })
    .await;
    ensure!(lines() == before, "{before} before, {} now", lines());
    Ok(())
}

#[tokio::test]
async fn a_value_that_may_be_a_secret_is_not_shown() -> Result<()> {
    let files = Files::new().await?;
    let settings =
        |password| files.settings("info", &format!("label.db = 'http://me:{password}@db'\n"));
    settings("first")?;
    let agent = files.start().await?;
    settings("second")?;
    let report = agent.reload().await?;
    let hidden = "another hidden value after a restart";
    ensure!(detail(&report, "label") == hidden, "{report}");
    ensure!(!report.to_string().contains("second"), "{report}");
    Ok(())
}

#[tokio::test]
async fn a_flag_outranks_the_file_at_a_reload_too() -> Result<()> {
    let files = Files::new().await?;
    let flags = files.flags();
    let flags = flags.each_ref().map(String::as_str);
    let flags = [&flags[..], &["--log-level", "warn"]].concat();
    let launcher = ["env", "EDGE_CACHE_GOSSIP_INTERVAL=3s"];
    let agent = files.start_with(&launcher, &flags).await?;
    files.settings("debug", "[gossip]\ninterval = '2s'\n")?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)? == all("unchanged"), "{report}");
    ensure!(agent.level().await? == "warn");
    Ok(())
}
