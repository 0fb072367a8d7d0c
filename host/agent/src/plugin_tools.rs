//! Commands for plugins that need no running agent.
//!
//! `plugin inspect`, `plugin check` and `plugin verify` examine a plugin before an agent runs it; `plugin keygen` and
//! `plugin sign` make the signatures that agents check; `plugin pull` and `plugin push` copy plugins from and to
//! registries; `plugin new` and `plugin compose` make plugins. All use the agent's settings, comparisons and sandbox.

mod check;
mod compose;
mod inspect;
mod keygen;
mod new_project;
mod publication;
mod pull;
mod push;
mod sign;
mod try_node;
mod verify;

use std::fmt::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;

use crate::cli::OutputFormat;
use crate::settings::{PluginSource, RegistrySettings};
use edge_cache_core::{Limits, text};
use edge_cache_distribution::{Artifact, Reference};
use edge_cache_host::sandbox::{PluginConfig, PluginError, PluginFile};

pub use self::check::check;
pub use self::compose::{CompositionError, compose};
pub use self::inspect::inspect;
pub use self::keygen::keygen;
pub use self::new_project::new_project;
pub use self::pull::pull;
pub use self::push::push;
pub use self::sign::sign;
pub use self::try_node::try_node;
pub use self::verify::verify;

/// The result of an examination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolReport {
    /// The output, ready to print.
    pub text: String,
    /// True if no problem was found.
    pub is_good: bool,
}

impl ToolReport {
    /// Makes the output in a format: by `table`, or as JSON from `object`.
    fn new(
        is_good: bool,
        format: OutputFormat,
        table: impl FnOnce(&mut String) -> fmt::Result,
        object: &impl Serialize,
    ) -> Self {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match format {
            OutputFormat::Table => table(&mut text),
            OutputFormat::Json => writeln!(text, "{:#}", json!(object)),
        };
        Self { text, is_good }
    }
}

/// Pulls a plugin.
async fn artifact(
    reference: &Reference,
    registry: &RegistrySettings,
    limits: &Limits,
) -> Result<Artifact> {
    let max = u64::try_from(limits.plugin_bytes).unwrap_or(u64::MAX);
    let pulled = registry.client()?.pull(reference, max).await;
    pulled.with_context(|| format!("cannot pull {reference}"))
}

/// Pulls a plugin to examine it.
async fn pulled(
    reference: &Reference,
    registry: &RegistrySettings,
    config: &PluginConfig,
) -> Result<PluginFile> {
    let artifact = artifact(reference, registry, &config.limits).await?;
    Ok(PluginFile::new(&reference.to_string(), artifact.component))
}

/// Reads a plugin from its file or its registry, with its name for a report.
async fn plugin_file(
    source: &PluginSource,
    registry: &RegistrySettings,
    config: &PluginConfig,
) -> Result<(String, Result<PluginFile, PluginError>)> {
    match source {
        PluginSource::File(path) => Ok((file_name(path), PluginFile::read(path, &config.limits))),
        PluginSource::Registry(reference) => {
            let file = pulled(reference, registry, config).await?;
            Ok((reference.to_string(), Ok(file)))
        }
    }
}

/// Returns the name of a file, for a report.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    text::clean(&name, text::ERROR_BYTES_MAX)
}

/// Formats a number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (left, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        out.push(digit);
        if left > 0 && left.is_multiple_of(3) {
            out.push(',');
        }
    }
    out
}

#[cfg(test)]
mod tests;
