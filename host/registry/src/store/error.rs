//! Why the store does not answer.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The error of a store. The file is as it was, apart from a commit that failed, which is made or not made
/// as a whole.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something in the data directory can't be used.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("the data directory {path} is in use by another agent; give each agent its own")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file holds something that no agent wrote.
    #[error(
        "the store {path} is damaged: {reason}; the file was left as it is, move it away or restore it \
         from a backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The file was written by a newer version.
    #[error(
        "the store {path} has format {found}, this version reads up to {supported}; the file was left as \
         it is, use the version that wrote it or a newer one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The highest format that is read.
        supported: u32,
    },
    /// The file is another agent's.
    #[error(
        "the store {path} belongs to {found}, this agent is {expected}; the file was left as it is"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked.
        expected: String,
    },
    /// A transaction failed.
    #[error("a transaction failed: {0}")]
    Failed(String),
    /// The store has failed before and is not open again yet.
    #[error("the store has failed and is not open again yet")]
    Closed,
}
