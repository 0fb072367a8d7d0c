//! `config check`: checks settings and files without starting an agent.
//!
//! The command reads and compiles by the same functions as `run`. It opens no socket and no store, and writes nothing.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::Access;

use crate::plugin_manager::PluginManager;
use crate::run;
use crate::settings::AgentSettings;
use edge_cache_core::text;
use edge_cache_host::EdgeCacheRegistry;

/// Checks settings. Returns one line for each check.
///
/// # Errors
///
/// A check failed. The error has the lines of all checks.
pub async fn check(settings: &AgentSettings) -> Result<String, String> {
    let checks = [
        ("settings", Ok(source(settings))),
        ("combination", combination(settings)),
        ("gossip", gossip(settings)),
        ("api", run::api::look(settings)),
        ("data_dir", data_dir(settings.data_dir.as_deref())),
        ("plugin", plugin(settings).await),
    ];
    let is_ok = checks.iter().all(|(_, checked)| checked.is_ok());
    let lines = checks.into_iter().map(|(name, checked)| match checked {
        Ok(text) => format!("ok     {name}: {text}\n"),
        Err(error) => {
            let text = text::clean(&format!("{error:#}"), text::ERROR_BYTES_MAX);
            format!("error  {name}: {text}\n")
        }
    });
    let lines = lines.collect();
    if is_ok { Ok(lines) } else { Err(lines) }
}

/// Names the source of the settings. Invalid settings are refused before any check.
fn source(settings: &AgentSettings) -> String {
    match &settings.config {
        Some(path) => format!("all keys and values in {} are valid", path.display()),
        None => "no file; all flags and variables are valid".to_string(),
    }
}

fn combination(settings: &AgentSettings) -> Result<String> {
    run::consistency::check(settings)?;
    Ok("no setting contradicts another".to_string())
}

fn gossip(settings: &AgentSettings) -> Result<String> {
    let Some(config) = run::gossip::config(settings)? else {
        return Ok("off; `gossip.listen` is not set".to_string());
    };
    let listen = config.listen;
    Ok(match &config.keyring {
        Some(keyring) => format!("on {listen}, encrypted with {keyring:?}"),
        None => format!("on {listen}, not encrypted"),
    })
}

/// Does not open the directory, which may belong to a running agent.
fn data_dir(path: Option<&Path>) -> Result<String> {
    let Some(path) = path else {
        return Ok("none; the state is lost when the process ends".to_string());
    };
    let shown = path.display();
    match path.metadata() {
        Ok(found) if found.is_dir() => Ok(format!("{shown} is a directory")),
        Ok(_) => bail!("cannot create the data directory {shown}: it is not a directory"),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Opening the data directory creates it with its parents.
            let existing = path.ancestors().find(|path| path.exists());
            let parent = existing.unwrap_or(Path::new("."));
            rustix::fs::access(parent, Access::WRITE_OK | Access::EXEC_OK)
                .with_context(|| format!("cannot create {shown} in {}", parent.display()))?;
            Ok(format!("{shown} does not exist and will be created"))
        }
        Err(error) => Err(error).with_context(|| format!("cannot access {shown}")),
    }
}

async fn plugin(settings: &AgentSettings) -> Result<String> {
    let (_, plugin) = PluginManager::of_settings(settings, None).await?;
    // A plugin reads its settings when it loads the first entries, of which there are none.
    let registry =
        EdgeCacheRegistry::builder(plugin.clone()).standalone(run::gossip::self_info(settings));
    if let Some(failure) = registry.start().await?.status().last_failure {
        bail!(failure);
    }
    let pin = match settings.plugin_config.plugin_sha256 {
        Some(_) => "pinned",
        None => "not pinned",
    };
    Ok(format!(
        "loads, sha256 {}, {pin}",
        hex::encode(plugin.sha256())
    ))
}
