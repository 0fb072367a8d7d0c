//! `config check`: checks settings and files without starting an agent.
//!
//! The command reads and compiles by the same functions as `run`. It opens no socket and no store, and writes nothing.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use rustix::fs::Access;

use crate::plugin_manager::PluginManager;
use crate::run;
use crate::settings::AgentSettings;
use edge_cache_core::text;

/// The outcome of one check, as text.
type Checked = Result<String, String>;

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
        ("api", checked(run::api::look(settings))),
        ("data_dir", data_dir(settings.data_dir.as_deref())),
        ("plugin", plugin(settings).await),
    ];
    let is_ok = checks.iter().all(|(_, checked)| checked.is_ok());
    let lines: String = checks
        .iter()
        .map(|(name, checked)| match checked {
            Ok(text) => format!("ok     {name}: {text}\n"),
            Err(text) => format!("error  {name}: {text}\n"),
        })
        .collect();
    if is_ok { Ok(lines) } else { Err(lines) }
}

/// Names the source of the settings. Invalid settings are refused before any check.
fn source(settings: &AgentSettings) -> String {
    match &settings.config {
        Some(path) => format!("all keys and values in {} are valid", path.display()),
        None => "no file; all flags and variables are valid".to_string(),
    }
}

fn combination(settings: &AgentSettings) -> Checked {
    let consistent = run::consistency::check(settings);
    checked(consistent.map(|()| "no setting contradicts another".to_string()))
}

fn gossip(settings: &AgentSettings) -> Checked {
    let config = run::gossip::config(settings);
    checked(config.map(|config| match config {
        None => "off; `gossip.listen` is not set".to_string(),
        Some(config) => match &config.keyring {
            Some(keyring) => format!("on {}, encrypted with {keyring:?}", config.listen),
            None => format!("on {}, not encrypted", config.listen),
        },
    }))
}

/// Does not open the directory, which may belong to a running agent.
fn data_dir(path: Option<&Path>) -> Checked {
    let Some(path) = path else {
        return Ok("none; the state is lost when the process ends".to_string());
    };
    let shown = path.display();
    match path.metadata() {
        Ok(found) if found.is_dir() => Ok(format!("{shown} is a directory")),
        Ok(_) => Err(format!("{shown} is not a directory")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let existing = path.ancestors().find(|path| path.exists());
            let parent = existing.unwrap_or(Path::new("."));
            // Opening the data directory creates it with its parents.
            match rustix::fs::access(parent, Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => Ok(format!("{shown} does not exist and will be created")),
                Err(error) => Err(format!(
                    "cannot create {shown} in {}: {error}",
                    parent.display()
                )),
            }
        }
        Err(error) => Err(format!("cannot access {shown}: {error}")),
    }
}

async fn plugin(settings: &AgentSettings) -> Checked {
    let loaded = PluginManager::of_settings(settings, None).await;
    checked(loaded.map(|(_, plugin)| {
        let pin = match settings.plugin_config.plugin_sha256 {
            Some(_) => "pinned",
            None => "not pinned",
        };
        format!("loads, sha256 {}, {pin}", hex::encode(plugin.sha256()))
    }))
}

fn checked(result: Result<String>) -> Checked {
    result.map_err(|error| text::clean(&format!("{error:#}"), text::ERROR_BYTES_MAX))
}
