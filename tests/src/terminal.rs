//! Commands on a terminal of a given width: a pseudo terminal that `script` of util-linux opens.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::timeout;

use crate::agent::{binary, command};

/// Maximum run time of a command.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// Runs the agent's binary on a terminal with this many columns, and returns what it writes there.
///
/// # Errors
///
/// The command fails or runs on, or `script` is missing.
pub async fn run(columns: u16, variables: &[(&str, &str)], words: &[&str]) -> Result<String> {
    let binary = binary()?.to_str().context("the path is not text")?;
    let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let line = format!(
        "stty cols {columns} rows 24 && exec '{binary}' {}",
        words.join(" ")
    );
    let mut script = command("script");
    script
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR")
        .env_remove("CLICOLOR_FORCE")
        .envs([("TERM", "xterm"), ("SHELL", "/bin/sh")])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(ENDED_WITHIN, script.output())
        .await
        .context("it runs on")?
        .context("cannot run `script`, which util-linux has")?;
    let text = String::from_utf8(output.stdout)?.replace('\r', "");
    ensure!(output.status.success(), "{}: {text}", output.status);
    Ok(text)
}

/// Returns a text without its colours.
#[must_use]
pub fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}
