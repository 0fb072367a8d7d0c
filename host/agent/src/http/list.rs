//! The list of all nodes with its entity tag, kept until something changes.
//!
//! Making it takes 90 µs for 100 nodes and 20 ms for 20,000, twice that with hit ratios; a client that polls with `If-None-Match` would pay it at
//! each poll. Hit ratios change all the time and are no part of what `If-Match` protects: the tag has a digest of the
//! nodes without them, and one of the whole list.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use sha2::{Digest, Sha256};

use super::views;
use edge_cache_api::NodeList;
use edge_cache_host::{EdgeCacheRegistry, Snapshot};

#[cfg(test)]
mod tests;

/// The bytes of a digest in a tag: enough that no two lists share it by chance.
const DIGEST_BYTES: usize = 16;

/// The list that was sent last.
#[derive(Debug, Default)]
pub(super) struct ListCache(ArcSwapOption<List>);

/// The list as it is sent, and the strong tag of its content before any compression.
#[derive(Debug)]
pub(super) struct List {
    pub(super) tag: Tag,
    pub(super) body: Bytes,
    snapshot: Snapshot,
}

/// The strong tag of a list.
#[derive(Debug)]
pub(super) struct Tag {
    /// The part that hit ratios do not change.
    nodes: String,
    whole: Option<ETag>,
}

impl ListCache {
    /// Returns the list of this moment. The tag is made of digests of the body: `advertised` also changes without a
    /// change of the registry.
    pub(super) fn now(&self, registry: &EdgeCacheRegistry) -> Arc<List> {
        let snapshot = registry.snapshot();
        let before = self.0.load_full();
        if let Some(same) = before.filter(|before| before.snapshot.is_same(&snapshot)) {
            return same;
        }
        let nodes = snapshot.eligible().map(views::node).collect();
        let mut list = NodeList { nodes };
        let body = json(&list);
        let ratios = list
            .nodes
            .iter_mut()
            .filter_map(|node| node.hit_ratio.take());
        let tag = if ratios.count() > 0 {
            Tag::of(&json(&list), &body)
        } else {
            Tag::of(&body, &body)
        };
        let list = Arc::new(List {
            tag,
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
        if let Some(tag) = &self.tag.whole {
            response.headers_mut().typed_insert(tag.clone());
        }
        response
    }
}

impl Tag {
    /// Makes the tag of a list from the list without hit ratios and the whole one.
    fn of(nodes: &[u8], whole: &[u8]) -> Self {
        let nodes = digest(nodes);
        let whole = format!("\"{nodes}-{}\"", digest(whole));
        Self {
            nodes,
            // Hexadecimal digits and a dash in quotes always are one.
            whole: whole.parse().ok(),
        }
    }

    /// Returns whether `If-None-Match` names this tag (RFC 9110, 13.1.2).
    pub(super) fn is_named_by_if_none_match(&self, headers: &HeaderMap) -> bool {
        let condition = headers.typed_get::<IfNoneMatch>();
        let tag = self.whole.as_ref();
        tag.zip(condition)
            .is_some_and(|(tag, condition)| !condition.precondition_passes(tag))
    }

    /// Returns whether `If-Match` is absent or names this tag (RFC 9110, 13.1.1), whatever its hit ratios were.
    pub(super) fn fits_if_match(&self, headers: &HeaderMap) -> bool {
        let names_nodes = |named: &str| {
            let tag = named
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'));
            let parts = tag.and_then(|tag| tag.split_once('-'));
            named == "*" || parts.is_some_and(|(nodes, _)| nodes == self.nodes)
        };
        let mut lines = headers.get_all(IF_MATCH).iter().peekable();
        lines.peek().is_none()
            || lines
                .filter_map(|line| line.to_str().ok())
                .flat_map(|line| line.split(','))
                .any(|named| names_nodes(named.trim()))
    }
}

fn json(list: &NodeList) -> Vec<u8> {
    // Texts and numbers always have a form in JSON.
    serde_json::to_vec(list).unwrap_or_default()
}

fn digest(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    hex::encode(digest.get(..DIGEST_BYTES).unwrap_or(&digest))
}
