//! The facts of an agent, and the reload of those that can change while it runs.

use std::path::PathBuf;

use crate::log::RotatedFile;
use crate::reload::Reloader;
use edge_cache_api::AgentAddresses;
use edge_cache_host::Store;

/// The facts of an agent, and the reload of those that can change while it runs.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The name of its cluster.
    pub cluster_id: String,
    /// The addresses that it has bound or announces.
    pub addresses: AgentAddresses,
    /// The directory of its state.
    pub data_dir: Option<PathBuf>,
    /// The settings in effect, and their reload.
    pub reloader: Reloader,
    /// The audit file.
    pub(crate) audit: Option<RotatedFile>,
    /// The store in it.
    pub store: Option<Store>,
}
