//! The configuration of a plugin.

use std::collections::BTreeMap;

use edge_cache_core::Limits;
use edge_cache_core::labels::LabelGrants;

use crate::cache::CodeCache;
use crate::contract::ImportGrants;
use crate::error::PluginError;

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
