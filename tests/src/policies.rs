//! Plugins that `plugin compose` makes of policies.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::agent::run_within;

/// Maximum time to compose a plugin and check it.
pub const COMPOSED_WITHIN: Duration = Duration::from_secs(120);

/// Composes a policy and returns the plugin's file, in a folder.
///
/// # Errors
///
/// The agent refuses the policy, or does not say that it wrote the plugin.
pub async fn composed(policy: &Path, folder: &Path) -> Result<PathBuf> {
    let file = folder.join("composed.wasm");
    let policy = policy.to_str().context("the path is not text")?;
    let output = file.to_str().context("the path is not text")?;
    let args = ["plugin", "compose", policy, "--output", output];
    let ended = run_within(&args, COMPOSED_WITHIN).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let last = ended.stdout.lines().last().unwrap_or_default();
    ensure!(last.starts_with(&format!("wrote {output}, ")), "{last}");
    ensure!(ended.stdout.contains("\nenable "), "{}", ended.stdout);
    Ok(file)
}
