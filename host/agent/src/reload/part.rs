//! A part of an agent that can be reloaded by itself.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::Mutex;

use super::settings::RunningSettings;
use crate::settings::AgentSettings;
use edge_cache_api::{ReloadOutcome, ReloadedPart};
use edge_cache_core::text;

type Reading = Pin<Box<dyn Future<Output = Result<Reloaded>> + Send>>;

/// A part that was read again. The text describes it as it is now.
#[derive(Debug)]
pub(crate) enum Reloaded {
    /// The part is as it was.
    Unchanged(String),
    /// The part was replaced.
    Changed(String),
}

/// A part of an agent that can be reloaded by itself.
pub(crate) struct Part {
    name: &'static str,
    /// The keys of the settings that it applies.
    pub(super) applies: &'static [&'static str],
    read: Box<dyn Fn(Arc<AgentSettings>) -> Reading + Send + Sync>,
    /// Held by the reload that reads the part.
    turn: Mutex<()>,
    /// Held by the only reload that waits for its turn.
    waiting: Mutex<()>,
}

/// The detail of a part that a reload leaves to the one that waits before it.
const LEFT: &str = "an earlier reload waits, and will read it as it is then";

impl Part {
    /// Creates a part that `read` reads again. After an error the part must be as it was.
    pub(crate) fn new<F>(name: &'static str, read: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reloaded>> + Send + 'static,
    {
        Self::of_settings(name, &[], move |_| read())
    }

    /// Creates a part that applies settings with these keys, as they were last read. After an error the part must be as
    /// it was, and the former settings are in effect.
    pub(crate) fn of_settings<F>(
        name: &'static str,
        applies: &'static [&'static str],
        read: impl Fn(Arc<AgentSettings>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Reloaded>> + Send + 'static,
    {
        Self {
            name,
            applies,
            read: Box::new(move |settings| Box::pin(read(settings))),
            turn: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    /// Creates a part in files, which `read` reads on a thread that may wait for a disk.
    pub(crate) fn of_files(
        name: &'static str,
        read: impl Fn() -> Result<Reloaded> + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, move || {
            let read = read.clone();
            async move {
                let read = tokio::task::spawn_blocking(read).await;
                read.context("the reload ended")?
            }
        })
    }

    /// Reads the part again, after the reload that reads it now. Where another one waits already, that one does it.
    pub(super) async fn reload(&self, settings: &RunningSettings) -> ReloadedPart {
        let Ok(waiting) = self.waiting.try_lock() else {
            return ReloadedPart {
                part: self.name.to_string(),
                outcome: ReloadOutcome::Unchanged,
                detail: LEFT.to_string(),
            };
        };
        let _turn = self.turn.lock().await;
        drop(waiting);
        let declared = settings.declared();
        let (outcome, detail) = match (self.read)(declared.clone()).await {
            Ok(Reloaded::Unchanged(detail)) => (ReloadOutcome::Unchanged, detail),
            Ok(Reloaded::Changed(detail)) => (ReloadOutcome::Changed, detail),
            Err(error) => (ReloadOutcome::Failed, text::error_chain(error.as_ref())),
        };
        if outcome != ReloadOutcome::Failed {
            settings.apply(self.applies, &declared);
        }
        ReloadedPart {
            part: self.name.to_string(),
            outcome,
            detail,
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
