//! The function against its vectors and another implementation of it, the memo against the scan, and what a
//! change may move.

mod changes;
mod clusters;
mod oracle;
mod router;
mod shares;
mod vectors;

use std::collections::BTreeMap;

use super::{Router, RouterWriter};
use crate::types::{Candidate, NodeId};

type Candidates = BTreeMap<NodeId, Candidate>;

/// Geos such that every tier is empty for some asker.
const GEOS: [Option<&str>; 7] = [
    None,
    Some("eu"),
    Some("eu-central"),
    Some("eu-central-1"),
    Some("eu-central-2"),
    Some("us-east-1"),
    Some("us-east-2"),
];

fn candidate(weight: u32, geo: Option<&str>) -> Candidate {
    Candidate {
        weight,
        geo: geo.map(str::to_string),
    }
}

/// Nodes 0 to `count` with all weights from 1 to 16 and all geos.
fn nodes(count: NodeId) -> Candidates {
    (0..count)
        .zip((1..=16).cycle().zip(GEOS.iter().cycle()))
        .map(|(node_id, (weight, geo))| (node_id, candidate(weight, *geo)))
        .collect()
}

fn router(candidates: &Candidates, home: Option<&str>) -> (Router, RouterWriter) {
    let (router, mut writer) = Router::new();
    writer.update(candidates, home).unwrap();
    (router, writer)
}

/// Tells whether the long tests are on.
fn long_tests() -> bool {
    std::env::var_os("EDGE_CACHE_LONG_TESTS").is_some_and(|value| value == "1")
}
