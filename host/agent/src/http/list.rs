//! The list of all nodes with its entity tag, kept until something changes.
//!
//! Making it takes 90 µs for 100 nodes and 20 ms for 20,000; a client that polls with `If-None-Match` would pay it at
//! each poll.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch};
use sha2::{Digest, Sha256};

use super::views;
use edge_cache_api::NodeList;
use edge_cache_host::{EdgeCacheRegistry, Snapshot};

#[cfg(test)]
mod tests;

/// The bytes of the digest in a tag: enough that no two lists share it by chance.
const DIGEST_BYTES: usize = 16;

/// The list that was sent last.
#[derive(Debug, Default)]
pub(super) struct ListCache(ArcSwapOption<List>);

/// The list as it is sent, and the strong tag of its content before any compression.
#[derive(Debug)]
pub(super) struct List {
    pub(super) tag: Option<ETag>,
    pub(super) body: Bytes,
    snapshot: Snapshot,
}

impl ListCache {
    /// Returns the list of this moment. The tag is a digest of the body: `advertised` also changes without a change
    /// of the registry.
    pub(super) fn now(&self, registry: &EdgeCacheRegistry) -> Arc<List> {
        let snapshot = registry.snapshot();
        let before = self.0.load_full();
        if let Some(same) = before.filter(|before| before.snapshot.is_same(&snapshot)) {
            return same;
        }
        let addresses = snapshot.addresses();
        let nodes = snapshot.eligible();
        let nodes = nodes.map(|(node, advertised)| views::node(addresses, node, advertised));
        let nodes = nodes.collect();
        // Texts and numbers always have a form in JSON.
        let body = serde_json::to_vec(&NodeList { nodes }).unwrap_or_default();
        let list = Arc::new(List {
            tag: tag_of(&body),
            body: body.into(),
            snapshot,
        });
        self.0.store(Some(list.clone()));
        list
    }
}

impl List {
    /// Adds the tag to a response.
    pub(super) fn tagged(&self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        if let Some(tag) = &self.tag {
            response.headers_mut().typed_insert(tag.clone());
        }
        response
    }
}

/// Returns whether `If-None-Match` names this tag (RFC 9110, 13.1.2).
pub(super) fn is_named_by_if_none_match(tag: Option<&ETag>, headers: &HeaderMap) -> bool {
    let condition = headers.typed_get::<IfNoneMatch>();
    tag.zip(condition)
        .is_some_and(|(tag, condition)| !condition.precondition_passes(tag))
}

/// Returns whether `If-Match` is absent or names this tag (RFC 9110, 13.1.1).
pub(super) fn fits_if_match(tag: Option<&ETag>, headers: &HeaderMap) -> bool {
    match headers.typed_try_get::<IfMatch>() {
        Ok(None) => true,
        Ok(Some(condition)) => tag.is_some_and(|tag| condition.precondition_passes(tag)),
        Err(_) => false,
    }
}

/// Makes the tag of this content. Hexadecimal digits in quotes always are one.
fn tag_of(content: &[u8]) -> Option<ETag> {
    let digest = Sha256::digest(content);
    let digest = digest.get(..DIGEST_BYTES).unwrap_or(&digest);
    format!("\"{}\"", hex::encode(digest)).parse().ok()
}
