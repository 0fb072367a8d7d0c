//! A setting in effect, which may hold a secret.

use std::ffi::OsString;
use std::fmt;

use edge_cache_api::Setting;

/// A setting in effect: as people may see it, and as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// The setting without secrets.
    pub shown: Setting,
    /// The values, which may be secrets; empty where it is not set.
    given: Vec<OsString>,
    /// The line of a settings file that sets it, without secrets.
    pub line: String,
}

impl EffectiveSetting {
    /// Creates a setting that was given by these values, or by this line of a settings file.
    pub(crate) fn new(shown: Setting, given: Vec<OsString>, line: String) -> Self {
        Self { shown, given, line }
    }

    /// Returns whether both were given by the same values, from wherever.
    pub(crate) fn has_value_of(&self, other: &Self) -> bool {
        self.given == other.given
    }
}

impl fmt::Debug for EffectiveSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}
