//! The agent itself.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use strum::Display;

use crate::{Health, NodeId, Plugin, Timestamp};

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Agent {
    /// The id of its node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// The name of its cluster.
    pub cluster_id: String,
    /// The version of its program.
    pub version: String,
    /// The time of its start: RFC 3339, UTC, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub started_at: Timestamp,
    /// The time since its start, in seconds.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub uptime_s: u64,
    /// The addresses that it has bound or announces.
    pub addresses: AgentAddresses,
    /// The directory of its state; absent where the state is in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<String>,
    /// The size of the store in that directory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, maximum = 18446744073709551615u64))]
    pub store_bytes: Option<u64>,
    /// The readiness, with the reasons.
    pub health: Health,
    /// The plugin.
    pub plugin: Plugin,
    /// The settings in effect, without secrets.
    pub settings: Vec<Setting>,
    /// The role of the token of the request; absent where the agent has no tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// The addresses of an agent; those that it does not have are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentAddresses {
    /// The listener of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub api: Option<SocketAddr>,
    /// The address of the API that peers are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_advertised: Option<String>,
    /// The listener for health and metrics only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub health: Option<SocketAddr>,
    /// The listener for proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub traffic: Option<SocketAddr>,
    /// The socket of gossip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub gossip: Option<SocketAddr>,
    /// The address of gossip that peers are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub gossip_advertised: Option<SocketAddr>,
    /// The node's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub cache: Option<SocketAddr>,
}

/// A setting in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Setting {
    /// Key in the settings file.
    pub key: String,
    /// Value as given; a list is joined by commas, and secrets are hidden. Absent where the setting has no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The source of the value.
    pub source: SettingSource,
}

/// The source of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SettingSource {
    /// Nobody has set it.
    Default,
    /// The settings file.
    File,
    /// An environment variable.
    Variable,
    /// A flag.
    Flag,
}
