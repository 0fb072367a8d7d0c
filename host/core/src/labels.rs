//! Rules for labels: the keys that a plugin may set, and the bounds of keys and values.
//!
//! The meaning of a label, such as `edge_cache`, is known to the plugin only.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use crate::LabelLimits;
use crate::cache_address::CACHE_ADDRESS_LABEL;
use crate::text::is_unprintable;

#[cfg(test)]
mod tests;

/// Largest number of labels of a member that is assessed (`placement.wit`).
pub const PEER_LABELS_MAX: usize = 64;
/// Largest total size of their keys and values, in bytes (`placement.wit`).
pub const PEER_LABEL_BYTES_MAX: usize = 16 * 1024;

/// Labels of one node, by key.
pub type Labels = BTreeMap<String, String>;

/// The error of publishing labels. The labels of the node have not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// The labels may not be published.
    #[error("denied: {0}")]
    Denied(String),
    /// A key, a value, or all labels together are too long.
    #[error("too large: more than {limit} bytes, the limit `{setting}`")]
    TooLarge {
        /// Limit, in bytes.
        limit: usize,
        /// Name of the limit.
        setting: &'static str,
    },
}

/// Label keys that a plugin may set. Cheap to clone.
///
/// A grant `key` allows `key` itself and all keys that begin with `key_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelGrants(Arc<[String]>);

impl Default for LabelGrants {
    /// Grants `edge_cache` and `edge_cache_*`.
    fn default() -> Self {
        Self::from_iter(["edge_cache"])
    }
}

impl<S: Into<String>> FromIterator<S> for LabelGrants {
    fn from_iter<I: IntoIterator<Item = S>>(prefixes: I) -> Self {
        Self(prefixes.into_iter().map(Into::into).collect())
    }
}

impl LabelGrants {
    /// Returns whether a plugin may set the key.
    pub fn allow(&self, key: &str) -> bool {
        self.0.iter().any(|grant| {
            key.strip_prefix(grant.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    }
}

/// Rules that the labels of a node are checked against.
#[derive(Debug)]
pub struct LabelRules<'a> {
    /// Keys that the plugin may set.
    pub grants: &'a LabelGrants,
    /// Limits of number and size.
    pub limits: LabelLimits,
    /// Labels that other software has set on the node.
    pub foreign: &'a Labels,
}

impl LabelRules<'_> {
    /// Checks the complete set of labels that a plugin publishes for a node.
    ///
    /// # Errors
    ///
    /// The first rule that a label breaks.
    pub fn check(
        &self,
        wanted: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Labels, LabelError> {
        let mut labels = Labels::new();
        let mut bytes = total_bytes(self.foreign);
        for (key, value) in wanted {
            self.check_one(&key, &value)?;
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            if bytes > self.limits.node_bytes {
                return Err(too_large(self.limits.node_bytes, "labels.node_bytes"));
            }
            if labels.len() >= self.limits.count {
                return Err(LabelError::Denied(format!(
                    "more than {} labels for a node, the limit `labels.count`",
                    self.limits.count
                )));
            }
            if labels.contains_key(&key) {
                return Err(LabelError::Denied(format!("key `{key}` is given twice")));
            }
            labels.insert(key, value);
        }
        Ok(labels)
    }

    fn check_one(&self, key: &str, value: &str) -> Result<(), LabelError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if key.is_empty() || (key.len() <= self.limits.key_bytes && !key.bytes().all(is_plain)) {
            return Err(LabelError::Denied(
                "a key must be of the characters A-Z a-z 0-9 _ . - and not empty".to_string(),
            ));
        }
        check_text(key, value, self.limits)?;
        if key == CACHE_ADDRESS_LABEL {
            return Err(LabelError::Denied(format!(
                "key `{key}` is reserved: the setting `cache.address` sets it"
            )));
        }
        if !self.grants.allow(key) {
            return Err(LabelError::Denied(format!(
                "key `{key}` is not granted; granted are {}",
                self.grants
                    .0
                    .iter()
                    .map(|grant| format!("`{grant}` and `{grant}_*`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )));
        }
        if self.foreign.contains_key(key) {
            return Err(LabelError::Denied(format!(
                "key `{key}` is set by other software on this node"
            )));
        }
        Ok(())
    }
}

/// Checks labels that other software sets on the node: they need no grant, and keys of any printable text are allowed.
///
/// # Errors
///
/// The first rule that a label breaks.
pub fn check_foreign(labels: &Labels, limits: LabelLimits) -> Result<(), LabelError> {
    for (key, value) in labels {
        check_text(key, value, limits)?;
    }
    if total_bytes(labels) > limits.node_bytes {
        return Err(too_large(limits.node_bytes, "labels.node_bytes"));
    }
    Ok(())
}

fn check_text(key: &str, value: &str, limits: LabelLimits) -> Result<(), LabelError> {
    if key.len() > limits.key_bytes {
        return Err(too_large(limits.key_bytes, "labels.key_bytes"));
    }
    if key.is_empty() || key.chars().any(is_unprintable) {
        return Err(LabelError::Denied(
            "a key must be printable and not empty: no control characters and no direction marks"
                .to_string(),
        ));
    }
    if value.len() > limits.value_bytes {
        return Err(too_large(limits.value_bytes, "labels.value_bytes"));
    }
    if value.chars().any(is_unprintable) {
        return Err(LabelError::Denied(format!(
            "the value of `{key}` must be printable: no control characters and no direction marks"
        )));
    }
    Ok(())
}

fn too_large(limit: usize, setting: &'static str) -> LabelError {
    LabelError::TooLarge { limit, setting }
}

fn total_bytes(labels: &Labels) -> usize {
    labels
        .iter()
        .map(|(key, value)| key.len().saturating_add(value.len()))
        .fold(0, usize::saturating_add)
}
