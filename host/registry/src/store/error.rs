//! Errors of the store.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// An error of a store. The file is unchanged, except after a failed commit: that is made as a whole or not at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or directory can't be used.
    #[error("cannot {action} {path}")]
    Io {
        /// The operation that failed.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error(
        "the data directory {path} is in use by a running agent: end that one first, or give each agent its own"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file has content that no agent wrote.
    #[error(
        "the store {path} is damaged: {reason}; the file was left as it is, move it away or restore it \
         from a backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first fault found.
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
        /// The highest supported format.
        supported: u32,
    },
    /// The file belongs to another agent.
    #[error(
        "the store {path} belongs to {found}, this agent is {expected}; the file was left as it is"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The owner of the file.
        found: String,
        /// The agent that opened it.
        expected: String,
    },
    /// The directory belongs to another user, who could not read a file of this one.
    #[error("the data directory {path} belongs to the user {owner}: run this as that user")]
    OtherOwner {
        /// The directory.
        path: PathBuf,
        /// The id of the user.
        owner: u32,
    },
    /// A transaction failed. The store is closed until it is opened again.
    #[error("a transaction failed: {0}")]
    Failed(String),
    /// The store has failed before and is not open again yet.
    #[error("the store has failed and is not open again yet")]
    Closed,
}
