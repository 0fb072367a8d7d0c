//! The audit file at a reload: after a rotation the lines go on in a new file.

use std::fs;

use super::*;

#[tokio::test]
async fn after_a_rotation_a_reload_goes_on_in_a_new_file() -> Result<()> {
    let files = Files::new().await?;
    let (path, rotated) = (files.path("audit"), files.path("audit.1"));
    files.settings("info", &format!("log.audit_file = {path:?}\n"))?;
    let agent = files.start().await?;
    let lines = |name: &str, message: &str| {
        let text = fs::read_to_string(files.path(name)).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str::<Value>);
        let lines: Vec<_> = lines.map(Result::unwrap_or_default).collect();
        lines
            .iter()
            .filter(|line| line["message"] == message)
            .count()
    };
    let written = async |name: &str, expected: usize| {
        until("the lines", SOON, || async {
            let found = lines(name, "reloaded");
            if found == expected {
                Ok(())
            } else {
                Err(found)
            }
        })
        .await;
    };
    write_secret(&files.path("keys"), keygen().await)?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)?["audit-file"] == "unchanged", "{report}");
    written("audit", 1).await;

    fs::rename(&path, &rotated)?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)?["audit-file"] == "changed", "{report}");
    // The line about the reload itself is the first of the new file.
    written("audit", 1).await;
    ensure!(lines("audit.1", "reloaded") == 1);
    write_secret(&files.path("keys"), keygen().await)?;
    agent.node.signal(Signal::HUP);
    written("audit", 2).await;
    ensure!(lines("audit.1", "reloaded") == 1);

    // What cannot be written does not replace what can.
    fs::rename(&path, &rotated)?;
    fs::create_dir(&path)?;
    let report = agent.reload().await?;
    ensure!(outcomes(&report)?["audit-file"] == "failed", "{report}");
    write_secret(&files.path("keys"), keygen().await)?;
    agent.reload().await?;
    written("audit.1", 3).await;

    // Another setting is another policy of the same plugin.
    let more = format!("log.audit_file = {path:?}\n[plugin.settings]\nweight = 'ram'\n");
    files.settings("info", &more)?;
    agent.reload().await?;
    let replaced = until("the line", SOON, || async {
        let text = fs::read_to_string(&rotated).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str::<Value>);
        let mut lines = lines.map(Result::unwrap_or_default);
        let line = lines.find(|line| line["message"] == "replace plugin");
        line.ok_or(text)
    })
    .await;
    ensure!(replaced["before"] == replaced["after"], "{replaced}");
    ensure!(replaced["policy_before"].is_string(), "{replaced}");
    ensure!(
        replaced["policy_before"] != replaced["policy_after"],
        "{replaced}"
    );
    Ok(())
}
