//! The configuration of a plugin and of its instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use edge_cache_core::Limits;
use edge_cache_core::labels::LabelGrants;

use crate::cache::CodeCache;
use crate::contract::ImportGrants;
use crate::error::PluginError;
use crate::gossip_labels::LabelPolicy;
use crate::log::GuestLog;
use crate::wasi::WallClock;

/// Limits, grants and settings of a plugin.
#[derive(Debug, Clone, Default)]
pub struct PluginConfig {
    /// Limits of its instances.
    pub limits: Limits,
    /// Interfaces that it may import.
    pub imports: ImportGrants,
    /// Label keys that it may set.
    pub labels: LabelGrants,
    /// Settings that it reads through `wasi:config/store`.
    pub settings: BTreeMap<String, String>,
    /// Cache of compiled code. Default: none.
    pub cache: Option<CodeCache>,
    /// SHA-256 that the file must have. Default: any.
    pub sha256: Option<[u8; 32]>,
}

impl PluginConfig {
    /// Checks the digest of a file against the pinned one.
    pub(crate) fn check_pin(&self, found: [u8; 32]) -> Result<(), PluginError> {
        match self.sha256 {
            Some(pinned) if pinned != found => Err(PluginError::OtherDigest { pinned, found }),
            _ => Ok(()),
        }
    }
}

/// Surroundings of an instance: its imports other than the settings.
#[derive(Debug, Clone)]
pub struct InstanceConfig {
    /// Rules for published labels.
    pub policy: LabelPolicy,
    /// Log that its lines go to.
    pub log: Arc<GuestLog>,
    /// Wall clock that it reads.
    pub clock: WallClock,
}

impl InstanceConfig {
    /// Returns the surroundings of an instance outside of any node, with a log of its own and the system's clock.
    #[must_use]
    pub fn detached(config: &PluginConfig) -> Self {
        Self {
            policy: LabelPolicy::detached(config.labels.clone()),
            log: Arc::new(GuestLog::new(&config.limits)),
            clock: WallClock::default(),
        }
    }
}
