//! The report of a reload.

use serde::{Deserialize, Serialize};
use strum::Display;

/// The report of a reload: the parts of an agent that can be reloaded, and the settings that need a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReloadReport {
    /// The parts, in the order in which they were reloaded.
    pub parts: Vec<ReloadedPart>,
}

/// A part of an agent after a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReloadedPart {
    /// `settings`, `log.level`, `audit-file`, `gossip-keys`, `api-tokens`, `certificate`, `trust-rules`, `plugin`, or the key
    /// of a setting.
    pub part: String,
    /// The outcome.
    pub outcome: ReloadOutcome,
    /// The state of the part now, or the error for which its former state goes on. Secrets are never shown.
    pub detail: String,
}

/// The outcome of the reload of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ReloadOutcome {
    /// The source of the part is as it was.
    Unchanged,
    /// The part was replaced.
    Changed,
    /// The source of the part cannot be used, and the former state goes on.
    Failed,
    /// The setting has another value in the file, which the next start takes.
    NeedsRestart,
}

impl ReloadReport {
    /// Returns the parts that failed.
    pub fn failed(&self) -> impl Iterator<Item = &ReloadedPart> {
        let parts = self.parts.iter();
        parts.filter(|part| part.outcome == ReloadOutcome::Failed)
    }
}
