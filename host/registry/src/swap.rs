//! Swapping the plugin of a running registry.
//!
//! A plugin is first loaded on a thread of its own, with the current entries. One that hangs, fails or refuses then
//! delays no change. After that the writer loads it once more between two changes, and this instance stays. Its
//! labels replace those of its predecessor in one announcement.

use std::thread;

use tokio::sync::oneshot;

use crate::error::SwapError;
use crate::registry::EdgeCacheRegistry;
use crate::writer::loading::start_loaded;
use edge_cache_sandbox::{CallMetrics, Plugin};

impl EdgeCacheRegistry {
    /// Replaces the plugin. Until the new one has loaded the entries, the old one makes all changes; reads notice
    /// nothing.
    ///
    /// # Errors
    ///
    /// Any [`SwapError`]: the old plugin goes on, and no change was lost.
    pub async fn swap(&self, plugin: Plugin) -> Result<(), SwapError> {
        self.try_out(plugin.clone()).await?;
        self.shared.queue.swap(plugin).await
    }

    /// Loads the plugin with the current entries on a thread of its own.
    async fn try_out(&self, plugin: Plugin) -> Result<(), SwapError> {
        let (ending, ended) = oneshot::channel();
        let state = &self.shared.state;
        let (state, entries) = (state.clone(), state.view.load().entries.clone());
        thread::Builder::new()
            .name("edge-trial".into())
            .spawn(move || {
                let calls = CallMetrics::default();
                let result = start_loaded(&state, &plugin, &calls, &entries, None).map(drop);
                // The caller may have gone away.
                let _ = ending.send(result);
            })
            .map_err(SwapError::Thread)?;
        let gone = |_| SwapError::Failed("the thread that tried it has ended".to_string());
        ended.await.map_err(gone)??;
        Ok(())
    }
}
