//! Labels: which ones a component may set, and what they may look like.
//!
//! This file knows no meaning of any label: what `edge_cache` says is the component's business.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use crate::LabelLimits;
use crate::text::is_unprintable;

/// The most labels of a member that are judged (`placement.wit`).
pub const PEER_LABELS_MAX: usize = 64;
/// The most bytes that they may have, keys and values together (`placement.wit`).
pub const PEER_LABEL_BYTES_MAX: usize = 16 * 1024;

/// The labels of one node, by key.
pub type Labels = BTreeMap<String, String>;

/// Why labels were refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// They may not be published.
    #[error("denied: {0}")]
    Denied(String),
    /// Something is longer than this many bytes.
    #[error("too large: more than {limit} bytes, the limit `{setting}`")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// Its name.
        setting: &'static str,
    },
}

/// The label keys that a component may set: each grant is a key, and all keys that go on with `_`.
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelGrants(Arc<[String]>);

impl Default for LabelGrants {
    /// `edge_cache` and `edge_cache_*`.
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
    /// Whether a component may set this key.
    pub fn allow(&self, key: &str) -> bool {
        self.0.iter().any(|grant| {
            key.strip_prefix(grant.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    }
}

/// What labels are checked against.
#[derive(Debug)]
pub struct LabelRules<'a> {
    /// The keys that the plugin may set.
    pub grants: &'a LabelGrants,
    /// The limits of count and size.
    pub limits: LabelLimits,
    /// The labels that other software has set on the node.
    pub foreign: &'a Labels,
}

impl LabelRules<'_> {
    /// Checks the complete set of labels that a component wants for a node.
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
        check_shape(key, value, self.limits)?;
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

/// Checks labels that other software sets on the node: the same shape, no grant.
pub fn check_foreign(labels: &Labels, limits: LabelLimits) -> Result<(), LabelError> {
    for (key, value) in labels {
        check_shape(key, value, limits)?;
    }
    if total_bytes(labels) > limits.node_bytes {
        return Err(too_large(limits.node_bytes, "labels.node_bytes"));
    }
    Ok(())
}

fn check_shape(key: &str, value: &str, limits: LabelLimits) -> Result<(), LabelError> {
    if key.len() > limits.key_bytes {
        return Err(too_large(limits.key_bytes, "labels.key_bytes"));
    }
    if key.is_empty()
        || !key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    {
        return Err(LabelError::Denied(
            "a key must be of the characters A-Z a-z 0-9 _ . - and not empty".to_string(),
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
