//! The interface for publishing labels.

use thiserror::Error;

use crate::entry::NodeId;
use crate::labels::Label;

/// Publishes the labels of nodes.
///
/// Published labels are staged. The host announces them after the registry's call has succeeded, and discards
/// them if it fails, so the registry never has to withdraw them.
pub trait PublishLabels {
    /// Replaces all labels of `node`. An empty slice withdraws them.
    ///
    /// # Errors
    ///
    /// The labels were refused, and those of the node are unchanged.
    fn publish(&mut self, node: NodeId, labels: &[Label]) -> Result<(), LabelError>;
}

/// The error of publishing labels.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// The labels may not be published; the text says which and why.
    #[error("denied: {0}")]
    Denied(String),
    /// A key, a value or all labels together are too long; the number is the limit, in bytes.
    #[error("larger than the limit of {0} bytes")]
    TooLarge(u32),
    /// The host cannot announce labels at present; the text says why.
    #[error("unavailable: {0}")]
    Unavailable(String),
}
