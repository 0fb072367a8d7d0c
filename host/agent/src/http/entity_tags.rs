//! Entity tags that a request names in `If-None-Match` and `If-Match` (RFC 9110, 13.1).
//!
//! The crate `headers` 0.4 has a type for each, and panics with debug assertions on a tag with a space. This module takes
//! any text, and never refuses a request.

use axum::http::header::{HeaderMap, HeaderName, IF_NONE_MATCH};

/// Returns whether `If-None-Match` names a tag, by weak comparison.
pub(super) fn if_none_match_names(headers: &HeaderMap, tag: &str) -> bool {
    named(headers, IF_NONE_MATCH)
        .any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

/// Returns the tags that a header names, as they stand there. A foreign tag with a comma comes in pieces, of which none
/// is a tag of this agent: these are in quotes, which no tag contains.
pub(super) fn named(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}
