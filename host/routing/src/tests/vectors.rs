//! The published values: they check other implementations, so they never change.

use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::super::hash::pair_hash;
use super::super::{distance, key_hash, node_hash, slot_hash, slot_of};
use super::{Candidates, candidate, router};

const FILE: &str = include_str!("../../vectors.json");

#[derive(Deserialize)]
struct Vectors {
    keys: Vec<KeyVector>,
    slots: Vec<SlotVector>,
    nodes: Vec<NodeVector>,
    distances: Vec<DistanceVector>,
    pairs: Vec<PairVector>,
    candidates: Vec<CandidateVector>,
    routes: Vec<RouteVector>,
}

#[derive(Deserialize)]
struct KeyVector {
    key: String,
    hash: String,
    slot: u32,
}

#[derive(Deserialize)]
struct SlotVector {
    slot: u32,
    hash: String,
}

#[derive(Deserialize)]
struct NodeVector {
    node_id: String,
    hash: String,
}

#[derive(Deserialize)]
struct DistanceVector {
    hash: String,
    distance: u64,
}

#[derive(Deserialize)]
struct PairVector {
    slot: u32,
    node_id: String,
    hash: String,
    distance: u64,
}

#[derive(Deserialize)]
struct CandidateVector {
    node_id: String,
    weight: u32,
    geo: Option<String>,
}

#[derive(Deserialize)]
struct RouteVector {
    key: String,
    replicas: usize,
    from_geo: Option<String>,
    nodes: Vec<String>,
}

#[test]
fn the_file_has_not_changed() {
    assert_eq!(
        format!("{:x}", Sha256::digest(FILE)),
        "f53f0b0e4d070107eb10ffefbe3d8f7d75edb1c97b7d99c8453caca9661b9655",
        "agents in the field and implementations elsewhere rely on these values"
    );
}

#[test]
fn hashes_and_distances_are_those_of_the_file() {
    let vectors = vectors();
    for vector in &vectors.keys {
        let hash = key_hash(&bytes(&vector.key));
        assert_eq!(hash, hex(&vector.hash), "key {}", vector.key);
        assert_eq!(slot_of(hash), vector.slot, "key {}", vector.key);
    }
    for vector in &vectors.slots {
        assert_eq!(slot_hash(vector.slot), hex(&vector.hash));
    }
    for vector in &vectors.nodes {
        assert_eq!(node_hash(id(&vector.node_id)), hex(&vector.hash));
    }
    for vector in &vectors.distances {
        assert_eq!(
            distance(hex(&vector.hash)),
            vector.distance,
            "{}",
            vector.hash
        );
    }
    for vector in &vectors.pairs {
        let hash = pair_hash(slot_hash(vector.slot), node_hash(id(&vector.node_id)));
        assert_eq!((hash, distance(hash)), (hex(&vector.hash), vector.distance));
    }
}

#[test]
fn routes_are_those_of_the_file() {
    let vectors = vectors();
    let candidates: Candidates = vectors
        .candidates
        .iter()
        .map(|c| (id(&c.node_id), candidate(c.weight, c.geo.as_deref())))
        .collect();
    for home in [Some("eu-central-1"), Some("us-east-3")] {
        let (router, _writer) = router(&candidates, home);
        for vector in &vectors.routes {
            let from = vector.from_geo.as_deref();
            let nodes = router.route(&bytes(&vector.key), vector.replicas, from);
            let expected: Vec<u64> = vector.nodes.iter().map(|node| id(node)).collect();
            assert_eq!(*nodes, *expected, "key {} from {from:?}", vector.key);
        }
    }
}

#[test]
fn another_language_computes_the_values_of_the_file() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors.py");
    match Command::new("python3").args(["-B", script]).output() {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => eprintln!("skipped: python3 does not start: {error}"),
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(FILE).unwrap()
}

fn hex(digits: &str) -> u64 {
    assert_eq!(digits.len(), 16);
    u64::from_str_radix(digits, 16).unwrap()
}

fn id(digits: &str) -> u64 {
    digits.parse().unwrap()
}

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
