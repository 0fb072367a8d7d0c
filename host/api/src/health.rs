//! The health of an agent.

use serde::{Deserialize, Serialize};

/// The health of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// True if the agent is healthy.
    pub ok: bool,
    /// The reasons why the agent is not healthy; empty if it is.
    pub reasons: Vec<String>,
    /// Warnings about the agent that do not make it unhealthy.
    #[serde(default)]
    pub warnings: Vec<String>,
}
