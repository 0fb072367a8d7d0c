//! The labels that a plugin publishes: checked, and staged until its call has succeeded.
//!
//! The host announces nothing from here. The staged labels are returned with the result of the call, and the
//! caller announces them if it keeps the result. A call with an error stages nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use edge_cache_core::labels::{LabelError, LabelGrants, LabelRules, Labels};
use edge_cache_core::{LabelLimits, Limits, LogLevel, NodeId};

use crate::bindings::gossip_labels::LabelError as WitError;
use crate::bindings::types;
use crate::log::GuestLog;

/// Labels that a successful call published: the complete set of each node that it named.
pub type PublishedLabels = BTreeMap<NodeId, Labels>;

/// A function that returns the labels that other software has set on the agent's own node.
pub type ForeignLabels = Arc<dyn Fn() -> Arc<Labels> + Send + Sync>;

/// A function that returns whether labels can be announced now.
pub type LabelsAvailable = Arc<dyn Fn() -> bool + Send + Sync>;

/// Rules for the labels that a plugin publishes.
#[derive(Clone)]
pub struct LabelPolicy {
    /// The agent's own node, if it has one. The labels of other software apply only to it.
    pub node: Option<NodeId>,
    /// Label keys that the plugin may set.
    pub grants: LabelGrants,
    /// Labels that other software has set on the own node.
    pub foreign: ForeignLabels,
    /// While this returns false, `publish` answers `unavailable`, for instance because gossip has stopped.
    pub available: LabelsAvailable,
}

impl LabelPolicy {
    /// Returns the rules for an instance outside of any node: labels are checked, and announced to nobody.
    #[must_use]
    pub fn detached(grants: LabelGrants) -> Self {
        Self {
            node: None,
            grants,
            foreign: Arc::new(Arc::default),
            available: Arc::new(|| true),
        }
    }
}

impl fmt::Debug for LabelPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabelPolicy")
            .field("node", &self.node)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

/// Labels that the current call of an instance has published.
#[derive(Debug)]
pub struct LabelStage {
    policy: LabelPolicy,
    limits: LabelLimits,
    /// Largest number of nodes in one call, since staged labels take the host's memory.
    nodes_max: usize,
    /// Absent outside of the exports that may publish.
    staged: Option<PublishedLabels>,
}

impl LabelStage {
    pub(crate) fn new(policy: LabelPolicy, limits: &Limits) -> Self {
        Self {
            policy,
            limits: limits.labels,
            nodes_max: limits.nodes_max,
            staged: None,
        }
    }

    /// Allows the next call to publish.
    pub(crate) fn open(&mut self) {
        self.staged = Some(PublishedLabels::new());
    }

    /// Ends the call and returns its labels.
    pub(crate) fn close(&mut self) -> PublishedLabels {
        self.staged.take().unwrap_or_default()
    }

    pub(crate) fn stage(
        &mut self,
        node: NodeId,
        labels: Vec<types::Label>,
        log: &GuestLog,
    ) -> Result<(), WitError> {
        let Some(staged) = &mut self.staged else {
            return Err(WitError::Denied(
                "labels are published from enable, disable, load and apply only".into(),
            ));
        };
        if !(self.policy.available)() {
            return Err(WitError::Unavailable(
                "gossip has stopped, so labels cannot be announced".into(),
            ));
        }
        if staged.len() >= self.nodes_max && !staged.contains_key(&node) {
            return Err(WitError::Denied(format!(
                "labels for more than {} nodes in one call, the limit `nodes_max`",
                self.nodes_max
            )));
        }
        let foreign = if self.policy.node == Some(node) {
            (self.policy.foreign)()
        } else {
            Arc::default()
        };
        let rules = LabelRules {
            grants: &self.policy.grants,
            limits: self.limits,
            foreign: &foreign,
        };
        let labels = rules
            .check(labels.into_iter().map(|label| (label.key, label.value)))
            .inspect_err(|error| {
                // The plugin may not pass the reason on, so the host logs it.
                let message = format!("labels of node {node} refused: {error}");
                log.write(LogLevel::Warn, "gossip-labels", &message);
            })?;
        staged.insert(node, labels);
        Ok(())
    }
}

impl From<LabelError> for WitError {
    fn from(error: LabelError) -> Self {
        match error {
            LabelError::Denied(reason) => Self::Denied(reason),
            LabelError::TooLarge { limit, .. } => {
                Self::TooLarge(u32::try_from(limit).unwrap_or(u32::MAX))
            }
        }
    }
}
