//! Entity tags, and the two conditions on them (RFC 9110, 13.1).

use axum::http::{HeaderMap, HeaderValue};
use headers::{HeaderMapExt, IfMatch, IfNoneMatch};
use sha2::{Digest, Sha256};

#[cfg(test)]
mod tests;

/// The bytes of the digest in a tag: enough that no two lists share it by chance.
const DIGEST_BYTES: usize = 16;

/// A strong tag of the content before any compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ETag(String);

impl ETag {
    /// Makes the tag of this content.
    pub(super) fn of(content: &[u8]) -> Self {
        let digest = Sha256::digest(content);
        let digest = digest.get(..DIGEST_BYTES).unwrap_or(&digest);
        Self(format!("\"{}\"", hex::encode(digest)))
    }

    /// Returns the value of the header `ETag`.
    pub(super) fn header(&self) -> HeaderValue {
        // Hexadecimal digits in quotes are a valid value.
        HeaderValue::try_from(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// Returns whether `If-None-Match` names this tag.
    pub(super) fn is_named_by_if_none_match(&self, headers: &HeaderMap) -> bool {
        let condition = headers.typed_try_get::<IfNoneMatch>().ok().flatten();
        self.typed()
            .zip(condition)
            .is_some_and(|(tag, condition)| !condition.precondition_passes(&tag))
    }

    /// Returns whether `If-Match` is absent or names this tag.
    pub(super) fn fits_if_match(&self, headers: &HeaderMap) -> bool {
        match headers.typed_try_get::<IfMatch>() {
            Ok(None) => true,
            Ok(Some(condition)) => self
                .typed()
                .is_some_and(|tag| condition.precondition_passes(&tag)),
            Err(_) => false,
        }
    }

    fn typed(&self) -> Option<headers::ETag> {
        self.0.parse().ok()
    }
}
