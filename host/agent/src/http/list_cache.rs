//! The list of all nodes with its entity tag, kept until something changes.
//!
//! Making it takes 90 µs for 100 nodes and 20 ms for 20,000, on a thread that serves other requests too; a client
//! that polls with `If-None-Match` would pay it at each poll.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::body::Bytes;

use super::etag::ETag;
use super::views;
use edge_cache_api::NodeList;
use edge_cache_host::{EdgeCacheRegistry, Snapshot};

/// The list that was sent last.
#[derive(Debug, Default)]
pub(super) struct ListCache(ArcSwapOption<List>);

/// The list as it is sent, and its tag.
#[derive(Debug)]
pub(super) struct List {
    pub(super) tag: ETag,
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
        let list = Arc::new(List::new(snapshot));
        self.0.store(Some(list.clone()));
        list
    }
}

impl List {
    fn new(snapshot: Snapshot) -> Self {
        let view = NodeList {
            nodes: snapshot.eligible().map(views::node).collect(),
        };
        let body = views::encode(&view);
        Self {
            tag: ETag::of(&body),
            body,
            snapshot,
        }
    }
}
