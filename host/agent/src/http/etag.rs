//! Entity tags, and the two conditions on them (RFC 9110, 13.1).

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use sha2::{Digest, Sha256};

#[cfg(test)]
mod tests;

/// How much of the digest is shown, in bytes: enough that no two answers ever share it by chance.
const SHOWN_BYTES: usize = 16;

/// A strong tag: two answers with the same tag are the same byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ETag(String);

impl ETag {
    /// The tag of this content.
    pub(super) fn of(content: &[u8]) -> Self {
        let digest = Sha256::digest(content);
        let shown = digest.get(..SHOWN_BYTES).unwrap_or(&digest);
        Self(format!("\"{}\"", hex::encode(shown)))
    }

    /// Whether a client that names what it has in `If-None-Match` has this very content.
    pub(super) fn is_had(&self, headers: &HeaderMap) -> bool {
        let weak = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == self.0;
        names(headers, &IF_NONE_MATCH, weak) == Some(true)
    }

    /// Whether this content is what `If-Match` asks for, if it asks for any.
    pub(super) fn is_asked_for(&self, headers: &HeaderMap) -> bool {
        names(headers, &IF_MATCH, |tag| tag == self.0) != Some(false)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the header names a tag; `None` where it is absent. Tags of ours hold no comma, so a list can be
/// split at every one.
fn names(headers: &HeaderMap, name: &HeaderName, is_it: impl Fn(&str) -> bool) -> Option<bool> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    Some(values.any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        tags.map(str::trim).any(|tag| tag == "*" || is_it(tag))
    }))
}
