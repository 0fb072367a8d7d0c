//! The plugin of an agent, and its log.

use std::collections::BTreeMap;

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

/// The body of a swap to a plugin from a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SwapSource {
    /// The plugin: `oci://REGISTRY/REPOSITORY:TAG`, or `@sha256:DIGEST` in place of the tag or after it.
    pub source: String,
    /// The settings of the plugin, in place of those that the agent's own settings declare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<BTreeMap<String, String>>,
}

/// The query of a reload of the plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ReloadQuery {
    /// True to ask the registry for the digest that the declared tag has now; false to use that of the last pull.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pull: bool,
    /// The digest that the declared tag means from now on: `sha256:` and 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The origin of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginOrigin {
    /// The path of its file, its reference in a registry, `embedded`, or `uploaded`.
    pub source: String,
    /// The SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// The digest of its manifest, where it came with one: `sha256:` and 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The time when it was pulled from its registry: RFC 3339, UTC, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub pulled_at: Option<Timestamp>,
    /// The trust rule that let it in, where the agent has such rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The names of the keys whose signatures that rule counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// The plugin of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plugin {
    /// The name of its file or of its repository; `embedded` for the plugin that is part of the agent, `uploaded` for one
    /// that came over HTTP.
    pub name: String,
    /// Texts in which its file describes itself. Nobody has verified them.
    #[serde(default)]
    pub metadata: PluginMetadata,
    /// The SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// The origin of the plugin that runs.
    pub origin: PluginOrigin,
    /// The origin of the plugin that the settings declare, as it was last read. The next start runs it.
    pub declared: PluginOrigin,
    /// True while the declared plugin runs, with its declared settings.
    pub is_declared: bool,
    /// Why the trust rules, which were read again since, refuse the plugin that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The names of the settings that it runs with. Their values may be secrets.
    #[serde(default)]
    pub settings: Vec<String>,
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

pub(crate) fn is_false(value: &bool) -> bool {
    !value
}
