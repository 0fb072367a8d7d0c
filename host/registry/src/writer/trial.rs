//! The trial of a plugin before it takes over.

use super::loading::{Loaded, start_loaded};
use crate::entries::Entries;
use crate::state::RegistryState;
use edge_cache_sandbox::{Failure, Plugin};

/// Largest number of times that a trial catches up with the changes made meanwhile.
const ROUNDS_MAX: usize = 8;

/// A plugin whose instance has loaded the entries of a moment.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) plugin: Plugin,
    pub(crate) loaded: Loaded,
    /// The entries of that moment.
    pub(crate) entries: Entries,
}

/// Loads a plugin with the current entries. Blocks for as long as the plugin may.
pub(crate) fn try_out(state: &RegistryState, plugin: Plugin) -> Result<Trial, Failure> {
    let changes_max = plugin.config().limits.batch;
    let mut entries = state.view.load().entries.clone();
    let mut loaded = start_loaded(state, &plugin, &entries)?;
    // Loading may have taken seconds, and the writer must not take as long.
    for _ in 0..ROUNDS_MAX {
        let now = state.view.load().entries.clone();
        if entries.diff(&now).nth(changes_max).is_none() {
            break;
        }
        loaded.catch_up(&entries, &now, changes_max)?;
        entries = now;
    }
    Ok(Trial {
        plugin,
        loaded,
        entries,
    })
}
