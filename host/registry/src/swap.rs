//! Swapping the plugin of a running registry.
//!
//! A plugin is loaded on a thread of its own, with the current entries. One that hangs, fails or refuses then delays no
//! change. The writer applies to this instance, between two changes, what has changed since, and puts it in the place of
//! the former one. Its labels replace those of its predecessor in one announcement.

use std::thread;

use tokio::sync::oneshot;

use crate::error::SwapError;
use crate::registry::EdgeCacheRegistry;
use crate::writer::trial::{Trial, try_out};
use edge_cache_sandbox::Plugin;

impl EdgeCacheRegistry {
    /// Replaces the plugin. Until the new one has loaded the entries, the old one makes all changes; reads notice
    /// nothing.
    ///
    /// # Errors
    ///
    /// Any [`SwapError`]: the old plugin goes on, and no change was lost.
    pub async fn swap(&self, plugin: Plugin) -> Result<(), SwapError> {
        let trial = self.try_out(plugin).await?;
        self.shared.queue.swap(trial).await
    }

    /// Loads the plugin with the current entries on a thread of its own.
    async fn try_out(&self, plugin: Plugin) -> Result<Trial, SwapError> {
        let (ending, ended) = oneshot::channel();
        let state = self.shared.state.clone();
        thread::Builder::new()
            .name("edge-trial".into())
            .spawn(move || {
                // The caller may have gone away.
                let _ = ending.send(try_out(&state, plugin));
            })
            .map_err(SwapError::Thread)?;
        let gone = |_| SwapError::Failed("the thread that tried it has ended".to_string());
        Ok(ended.await.map_err(gone)??)
    }
}
