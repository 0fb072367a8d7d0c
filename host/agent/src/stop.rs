//! The wish that an agent ends, from wherever it comes.

use std::sync::Arc;

use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// How an agent is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// In order, and as its settings say.
    Stop,
    /// The same, and it tells its peers that it leaves, whatever its settings say.
    Leave,
}

/// Whether and how an agent is to end. Clones share it; nothing takes a wish back.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Option<Ending>>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Stop {
    /// Asks for the end. Answers whether it was asked for before.
    pub fn ask(&self, ending: Ending) -> bool {
        let mut before = false;
        self.0.send_modify(|asked| {
            before = asked.is_some();
            *asked = (*asked).max(Some(ending));
        });
        before
    }

    /// What was asked for so far.
    #[must_use]
    pub fn asked(&self) -> Option<Ending> {
        *self.0.borrow()
    }

    /// Resolves once the end was asked for.
    pub async fn wait(self) {
        // This holds the sender, which makes an error impossible.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}
