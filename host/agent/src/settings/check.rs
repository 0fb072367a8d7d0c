//! `config check`: everything that can be known without starting an agent.
//!
//! What is read and compiled is what `run` would read and compile, by the same functions. It opens no
//! socket and no store, and changes nothing.

use std::path::Path;

use crate::cli::RunArgs;
use crate::run::{self, RunError};
use edge_cache_core::text;

/// What one check came to, in words.
type Checked = Result<String, String>;

/// Checks settings, and answers a line for each thing that was looked at; an error holds the lines of what is
/// right and what is wrong alike.
///
/// # Errors
///
/// Where anything is wrong.
pub async fn check(args: &RunArgs) -> Result<String, String> {
    let checks = [
        ("settings", Ok(file(args))),
        ("together", combinations(args)),
        ("gossip", gossip(args)),
        ("api", said(run::api::look(args))),
        ("data_dir", data_dir(args.data_dir.as_deref())),
        ("plugin", plugin(args).await),
    ];
    let is_right = checks.iter().all(|(_, checked)| checked.is_ok());
    let lines: String = checks
        .iter()
        .map(|(what, checked)| match checked {
            Ok(said) => format!("right  {what}: {said}\n"),
            Err(said) => format!("WRONG  {what}: {said}\n"),
        })
        .collect();
    if is_right { Ok(lines) } else { Err(lines) }
}

/// A wrong one is refused before there is anything to check.
fn file(args: &RunArgs) -> String {
    match &args.config {
        Some(path) => format!(
            "of {}, every key known and every value of its kind",
            path.display()
        ),
        None => "no file; every flag and variable known and right".to_string(),
    }
}

fn combinations(args: &RunArgs) -> Checked {
    said(run::check(args).map(|()| "no setting contradicts another".to_string()))
}

fn gossip(args: &RunArgs) -> Checked {
    let config = run::gossip_config(args);
    said(config.map(|config| match config {
        None => "off, without a `gossip.listen`".to_string(),
        Some(config) => match &config.keyring {
            Some(keyring) => format!("on {}, sealed with {keyring:?}", config.listen),
            None => format!("on {}, not sealed", config.listen),
        },
    }))
}

/// It is not opened: it may belong to an agent that runs.
fn data_dir(path: Option<&Path>) -> Checked {
    let Some(path) = path else {
        return Ok("none; the state is lost with the process".to_string());
    };
    let shown = path.display();
    match path.metadata() {
        Ok(found) if found.is_dir() => Ok(format!("{shown} is a directory")),
        Ok(_) => Err(format!("{shown} must be a directory")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(format!("{shown} is not there yet and will be made"))
        }
        Err(error) => Err(format!("{shown} cannot be looked at: {error}")),
    }
}

async fn plugin(args: &RunArgs) -> Checked {
    let plugin = run::load_declared_plugin(args).await;
    said(plugin.map(|plugin| {
        let pin = match args.given.plugin_sha256 {
            Some(_) => "as pinned",
            None => "not pinned",
        };
        format!("sha256 {}, {pin}; it loads", text::hex(plugin.sha256()))
    }))
}

fn said(result: Result<String, RunError>) -> Checked {
    result.map_err(|error| {
        let said = text::error_chain(&error);
        text::clean(&said, text::ERROR_BYTES_MAX)
    })
}
