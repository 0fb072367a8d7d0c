//! The configuration of a plugin.

use std::collections::{BTreeMap, BTreeSet};

use edge_cache_core::Limits;
use edge_cache_core::labels::LabelGrants;

use crate::cache::CodeCache;
use crate::contract::PROVIDED;

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

/// Interfaces that a plugin may import, by name without version. Default: all that the host provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportGrants(BTreeSet<String>);

impl ImportGrants {
    /// Returns the names, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns whether a plugin may import the interface.
    pub(crate) fn allow(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl Default for ImportGrants {
    fn default() -> Self {
        PROVIDED.iter().copied().collect()
    }
}

impl<S: Into<String>> FromIterator<S> for ImportGrants {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}
