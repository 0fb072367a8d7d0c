//! A part of an agent that can be reloaded by itself.

use std::fmt;
use std::pin::Pin;

use anyhow::{Context, Result};
use tokio::sync::Mutex;

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
    read: Box<dyn Fn() -> Reading + Send + Sync>,
    /// Held by the reload that reads the part.
    turn: Mutex<()>,
}

impl Part {
    /// Creates a part that `read` reads again. After an error the part must be as it was.
    pub(crate) fn new<F>(name: &'static str, read: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reloaded>> + Send + 'static,
    {
        Self {
            name,
            read: Box::new(move || Box::pin(read())),
            turn: Mutex::default(),
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

    pub(super) async fn reload(&self) -> ReloadedPart {
        let _turn = self.turn.lock().await;
        let (outcome, detail) = match (self.read)().await {
            Ok(Reloaded::Unchanged(detail)) => (ReloadOutcome::Unchanged, detail),
            Ok(Reloaded::Changed(detail)) => (ReloadOutcome::Changed, detail),
            Err(error) => (ReloadOutcome::Failed, text::error_chain(error.as_ref())),
        };
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
