//! Sources of counters: the caches of a node whose feeders put absolute counters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::NodeId;

#[cfg(test)]
mod tests;

/// Longest name of a source, in bytes.
pub const SOURCE_NAME_BYTES_MAX: usize = 64;
/// Maximum number of sources whose last counters an agent remembers, of all nodes together.
pub const SOURCES_MAX: usize = 1_024;

/// Name of a source, unique on its node. Cheap to clone.
///
/// A name has 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(Arc<str>);

/// Error of a text that is no name of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the name of a source has 1 to {SOURCE_NAME_BYTES_MAX} letters, digits, dots, dashes and underscores, and begins \
     with a letter or a digit"
)]
pub struct SourceNameError;

/// Source of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId {
    /// Node.
    pub node_id: NodeId,
    /// Name of the source.
    pub name: SourceName,
}

impl SourceName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = SourceNameError;

    fn from_str(text: &str) -> Result<Self, SourceNameError> {
        let fits = text.len() <= SOURCE_NAME_BYTES_MAX;
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if fits && begins && text.bytes().all(plain) {
            Ok(Self(text.into()))
        } else {
            Err(SourceNameError)
        }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node_id, self.name)
    }
}

impl FromStr for SourceId {
    type Err = SourceNameError;

    /// Parses what `Display` writes.
    fn from_str(text: &str) -> Result<Self, SourceNameError> {
        let (node_id, name) = text.split_once('/').ok_or(SourceNameError)?;
        Ok(Self {
            node_id: node_id.parse().map_err(|_| SourceNameError)?,
            name: name.parse()?,
        })
    }
}
