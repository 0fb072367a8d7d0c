//! Errors of a store.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A store that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder has other files.
    #[error(
        "`{}` is no part of a store of plugins, which removes all that it does not need: move it away",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The plugin does not fit beside those that must stay.
    #[error(
        "the plugin and those that must stay beside it take {needed} bytes, and `plugin.cache_bytes` is {max}: raise it"
    )]
    DoesNotFit {
        /// The size of all of them.
        needed: u64,
        /// The limit.
        max: u64,
    },
    /// A file cannot be read or written.
    #[error("cannot use `{}`", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}
