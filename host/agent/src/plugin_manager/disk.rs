//! The use of the data directory at the start.

use edge_cache_host::Store;

/// The use of the data directory at the start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Disk<'a> {
    /// Plugins of registries and compiled code are kept beside this store. Without a store nothing is written.
    Keep(Option<&'a Store>),
    /// Plugins that are kept there are read, and nothing is written.
    Look,
}
