//! The gate between the plugin's labels and the cluster: closed while the node's cache does not work.
//!
//! The decision stands meanwhile; only the advertisement waits. The plugin knows nothing of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edge_cache_core::labels::Labels;
use edge_cache_core::{AgentInfo, Refusal};

use crate::advertiser::Advertiser;

#[cfg(test)]
mod tests;

/// The state of the own node's cache, as its check finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CacheHealth {
    /// The cache works, or nothing checks it.
    #[default]
    Healthy,
    /// The cache fails, for this reason. The labels stay until it is known whether most other caches work; the node says
    /// meanwhile that it does not follow its decision.
    Doubtful(String),
    /// The cache has failed, for this reason, and the labels are withheld.
    Failed(String),
}

impl CacheHealth {
    /// Returns the reason why the cache does not work.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Healthy => None,
            Self::Doubtful(reason) | Self::Failed(reason) => Some(reason),
        }
    }
}

/// The gate of one registry.
#[derive(Debug)]
pub(crate) struct Gate {
    advertiser: Arc<dyn Advertiser>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    health: CacheHealth,
    /// The last announcement, if there was one.
    last: Option<(Labels, AgentInfo)>,
}

impl Gate {
    pub(crate) fn new(advertiser: Arc<dyn Advertiser>, health: CacheHealth) -> Self {
        let inner = Mutex::new(Inner { health, last: None });
        Self { advertiser, inner }
    }

    /// Announces labels of the plugin and the decision that they follow from, as far as the cache works.
    pub(crate) fn announce(&self, labels: Labels, agent: AgentInfo) {
        let mut inner = self.lock();
        inner.last = Some((labels, agent));
        self.pass(&inner);
    }

    /// Changes the state of the cache, and announces what follows from it.
    pub(crate) fn report(&self, health: CacheHealth) {
        let mut inner = self.lock();
        if inner.health != health {
            inner.health = health;
            self.pass(&inner);
        }
    }

    pub(crate) fn health(&self) -> CacheHealth {
        self.lock().health.clone()
    }

    /// Announces under the lock, so that the last announcement is that of the last state.
    fn pass(&self, inner: &Inner) {
        if let Some((labels, agent)) = &inner.last {
            let (labels, agent) = passed(&inner.health, labels, agent);
            self.advertiser.announce(labels, agent);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what is announced while the cache is in a state.
fn passed(health: &CacheHealth, labels: &Labels, agent: &AgentInfo) -> (Labels, AgentInfo) {
    // A node without labels, such as a disabled one, has nothing to withhold.
    let reason = health.reason().filter(|_| !labels.is_empty());
    let Some(reason) = reason else {
        return (labels.clone(), agent.clone());
    };
    let labels = match health {
        CacheHealth::Failed(_) => Labels::new(),
        _ => labels.clone(),
    };
    let agent = AgentInfo {
        follows: None,
        refuses: match (agent.follows, &agent.refuses) {
            (Some(decision), _) => Some(Refusal::new(decision, reason)),
            (None, refuses) => refuses.clone(),
        },
        ..agent.clone()
    };
    (labels, agent)
}
