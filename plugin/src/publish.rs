//! The way labels leave the registry.

use thiserror::Error;

use crate::entry::NodeId;
use crate::labels::Label;

/// Takes the labels that the registry wants nodes to show.
///
/// What is published is staged: it is announced once the registry's call has succeeded, and whoever
/// owns both discards it when that call errs. So the registry takes nothing back itself.
pub trait PublishLabels {
    /// Makes `labels` all labels that the registry wants for `node`. An empty slice withdraws all.
    ///
    /// # Errors
    ///
    /// The labels were not taken, and those of the node are what they were before.
    fn publish(&mut self, node: NodeId, labels: &[Label]) -> Result<(), LabelError>;
}

/// Why labels were not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// These labels may not be published; the text says which and why.
    #[error("denied: {0}")]
    Denied(String),
    /// A key, a value or all labels together are too long; the number is the limit, in bytes.
    #[error("larger than the limit of {0} bytes")]
    TooLarge(u32),
    /// No labels are taken any more; the text says why.
    #[error("unavailable: {0}")]
    Unavailable(String),
}
