//! The plugin of an agent, and its log.

use serde::{Deserialize, Serialize};

use crate::{LogLevel, PluginState, Timestamp};

/// The query of a swap of the plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct SwapQuery {
    /// The SHA-256 that the plugin must have, in hexadecimal. An agent whose plugin is pinned accepts another one only with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        param(min_length = 64, max_length = 64, pattern = "^[0-9a-fA-F]{64}$")
    )]
    pub sha256: Option<String>,
}

/// The plugin of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plugin {
    /// The name of its file; `embedded` for the plugin that is part of the agent, `uploaded` for one that came over HTTP.
    pub name: String,
    /// Texts in which its file describes itself. Nobody has verified them.
    #[serde(default)]
    pub metadata: PluginMetadata,
    /// The SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The state of the plugin.
    pub state: PluginState,
    /// The number of times that a fresh instance replaced a failed one.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub restarts: u64,
    /// The first digits of a digest of the plugin and its settings. Agents compare it to find out whether they
    /// decide alike.
    pub policy: String,
    /// The last failure, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// Texts in which a plugin describes itself, each cut at 256 bytes. What its file does not say is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginMetadata {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The licences, as an SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licenses: Option<String>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The latest lines of the plugin's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginLog {
    /// The number of lines that were dropped because there were too many at once.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub dropped: u64,
    /// At most 256 lines, the oldest first. Lines are cut at 1 KiB, and unprintable characters replaced.
    pub lines: Vec<LogLine>,
}

/// A line of the plugin's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// The time when the agent received the line: RFC 3339, UTC, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    /// The severity of the line.
    pub level: LogLevel,
    /// The part of the plugin that wrote the line.
    pub context: String,
    /// The text.
    pub message: String,
}
