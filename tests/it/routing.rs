//! Every agent sends a key to the same eligible nodes, as long as they see the same labels.
//!
//! - `cluster`: ten members over UDP, of which one dies
//! - `agents`: the same over HTTP, with processes
//! - `judging`: labels that the component fails on, and those of which there are too many

mod agents;
mod cluster;
mod judging;

use edge_cache_host::{EdgeCacheRegistry, NodeId};

/// Keys as a cache has them.
fn keys(count: usize) -> impl Iterator<Item = String> + Clone {
    (0..count).map(|n| format!("/video/{n:05}/segment-{}.ts", n % 7))
}

/// The nodes that serve each key.
fn routes(registry: &EdgeCacheRegistry, count: usize, replicas: usize) -> Vec<Vec<NodeId>> {
    keys(count)
        .map(|key| registry.route(key.as_bytes(), replicas, None).to_vec())
        .collect()
}
