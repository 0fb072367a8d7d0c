//! The error of a whole reload.

use std::io;

use thiserror::Error;

/// An error of a whole reload.
#[derive(Debug, Error)]
pub(crate) enum ReloadError {
    /// The settings cannot be used. No part was reloaded.
    #[error("the settings are refused: {0}")]
    Settings(String),
    /// The system refused a thread or a task. Some parts may have been reloaded.
    #[error("cannot reload")]
    System(#[source] io::Error),
}
