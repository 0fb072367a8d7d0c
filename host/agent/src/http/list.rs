//! The list of all nodes with its entity tag, kept until something changes.
//!
//! Making it takes 90 µs for 100 nodes and 20 ms for 20,000, twice that with hit ratios; a client that polls with `If-None-Match` would pay it at
//! each poll. What agents advertise and hit ratios change by themselves, and are no part of what `If-Match` protects: the
//! tag has a digest of the decided nodes, and one of the whole list or of the page that is sent.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::{ETAG, IF_MATCH};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::{entity_tags, views};
use edge_cache_api::{NodeList, NodesQuery};
use edge_cache_host::{EdgeCacheRegistry, ListedNode, Snapshot};

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
    /// The digest of what is decided: ids, capacities and times.
    nodes: String,
    whole: String,
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
        let mut list = NodeList {
            nodes,
            ..NodeList::default()
        };
        let body = json(&list);
        for node in &mut list.nodes {
            (node.advertised, node.address, node.hit_ratio) = (None, None, None);
        }
        let tag = Tag::of(&json(&list), &body);
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
    /// Returns a part of the list. Its tag changes with the whole list.
    pub(super) fn page(&self, page: &NodesQuery) -> Self {
        let is_asked = |listed: &ListedNode<'_>| {
            page.after.is_none_or(|after| listed.node.node_id > after)
                && (page.geo.is_none() || page.geo == listed.node.capacity.geo)
        };
        let mut nodes = self.snapshot.eligible().filter(is_asked).map(views::node);
        let limit = page.limit.unwrap_or(usize::MAX);
        let listed: Vec<_> = nodes.by_ref().take(limit).collect();
        let next = nodes.next().and(listed.last()).map(|last| last.node_id);
        let body = json(&NodeList {
            nodes: listed,
            next,
            is_part: true,
        });
        Self {
            tag: self.tag.of_page(&body),
            body: body.into(),
            snapshot: self.snapshot.clone(),
        }
    }

    /// Adds the tag to a response.
    pub(super) fn tagged(&self, response: impl IntoResponse) -> Response {
        // Hexadecimal digits and a dash in quotes always are a header.
        ([(ETAG, self.tag.whole.as_str())], response).into_response()
    }
}

impl Tag {
    /// Makes the tag of a list from the list of what is decided and the whole one.
    fn of(nodes: &[u8], whole: &[u8]) -> Self {
        Self::with(digest(nodes), whole)
    }

    /// Makes the tag of a page: `If-Match` protects the nodes of the whole list by it.
    fn of_page(&self, page: &[u8]) -> Self {
        Self::with(self.nodes.clone(), page)
    }

    fn with(nodes: String, content: &[u8]) -> Self {
        let whole = format!("\"{nodes}-{}\"", digest(content));
        Self { nodes, whole }
    }

    /// Returns whether `If-None-Match` names this tag (RFC 9110, 13.1.2).
    pub(super) fn is_named_by_if_none_match(&self, headers: &HeaderMap) -> bool {
        entity_tags::if_none_match_names(headers, &self.whole)
    }

    /// Returns whether `If-Match` is absent or names what is decided (RFC 9110, 13.1.1), whatever was advertised.
    pub(super) fn fits_if_match(&self, headers: &HeaderMap) -> bool {
        let names_nodes = |named: &str| {
            let tag = named
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'));
            let parts = tag.and_then(|tag| tag.split_once('-'));
            named == "*" || parts.is_some_and(|(nodes, _)| nodes == self.nodes)
        };
        !headers.contains_key(IF_MATCH) || entity_tags::named(headers, IF_MATCH).any(names_nodes)
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
