//! The import `gossip-labels`: what a component publishes is checked and staged here.
//!
//! Nothing is announced from here. What a call staged is handed out with its result, and the writer
//! announces it when that result is kept; a call that errs leaves nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::component::HasData;

use super::bindings::gossip_labels::{Host, LabelError as WitError};
use super::bindings::types;
use super::log::{GuestLog, LogLevel};
use edge_cache_core::NodeId;
use edge_cache_core::labels::{LabelError, LabelGrants, LabelRules, Labels};
use edge_cache_core::{LabelLimits, Limits};

/// What a successful call published: for each node that it named, the complete set.
pub type PublishedLabels = BTreeMap<NodeId, Labels>;

/// The labels that other software has set on the agent's own node, as they are now.
pub type ForeignLabels = Arc<dyn Fn() -> Arc<Labels> + Send + Sync>;

/// Who may publish what.
#[derive(Clone)]
pub struct LabelPolicy {
    /// The agent's own node, if it has one: only there do other software's labels count.
    pub node: Option<NodeId>,
    /// The keys that the component may set.
    pub grants: LabelGrants,
    /// The labels that other software has set on the agent's own node.
    pub foreign: ForeignLabels,
    /// While true, no labels are taken.
    pub closed: Arc<AtomicBool>,
}

impl std::fmt::Debug for LabelPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabelPolicy")
            .field("node", &self.node)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

/// The staging area of one instance.
#[derive(Debug)]
pub(super) struct LabelStage {
    policy: LabelPolicy,
    limits: LabelLimits,
    /// The nodes that one call may publish for: what is staged takes the host's memory.
    nodes_max: usize,
    log: Arc<GuestLog>,
    /// None outside the exports that may publish.
    staged: Option<PublishedLabels>,
}

impl LabelStage {
    pub(super) fn new(policy: LabelPolicy, limits: &Limits, log: Arc<GuestLog>) -> Self {
        Self {
            policy,
            limits: limits.labels,
            nodes_max: limits.nodes_max,
            log,
            staged: None,
        }
    }

    /// Lets the call that follows publish.
    pub(super) fn open(&mut self) {
        self.staged = Some(PublishedLabels::new());
    }

    /// Ends the call; what it staged is the caller's to keep or to drop.
    pub(super) fn close(&mut self) -> PublishedLabels {
        self.staged.take().unwrap_or_default()
    }

    fn stage(&mut self, node: NodeId, labels: Vec<types::Label>) -> Result<(), WitError> {
        let Some(staged) = &mut self.staged else {
            return Err(WitError::Denied(
                "labels are published from enable, disable, load and apply only".into(),
            ));
        };
        if self.policy.closed.load(Ordering::Acquire) {
            return Err(WitError::Unavailable(
                "labels are not taken any more".into(),
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
                // The component learns less than this, and need not pass on even that.
                let message = format!("labels of node {node} refused: {error}");
                self.log.write(LogLevel::Warn, "gossip-labels", &message);
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

impl Host for LabelStage {
    fn publish(&mut self, node: NodeId, labels: Vec<types::Label>) -> Result<(), WitError> {
        self.stage(node, labels)
    }
}

impl types::Host for LabelStage {}

pub(super) struct HasLabels;

impl HasData for HasLabels {
    type Data<'a> = &'a mut LabelStage;
}
