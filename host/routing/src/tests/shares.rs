//! Shares follow weights. Nothing here is random: the slots and the hashes are fixed.

use super::super::SLOTS;
use super::{Candidates, candidate, long_tests, router};
use crate::types::NodeId;

#[test]
fn shares_follow_weights_at_100_nodes() {
    let deviation = deviation(100);
    assert!(deviation <= 0.05, "{deviation}");
}

#[test]
fn shares_follow_weights_at_1_000_and_3_000_nodes() {
    if !long_tests() {
        println!("skipped: EDGE_CACHE_LONG_TESTS=1 runs it");
        return;
    }
    // The slots of a node are counted, so their number varies by its root at least.
    for (count, most) in [(1_000, 0.09), (3_000, 0.15)] {
        let deviation = deviation(count);
        assert!(deviation <= most, "{count} nodes: {deviation}");
    }
}

/// The relative standard deviation of share / weight.
fn deviation(count: NodeId) -> f64 {
    let candidates: Candidates = (0..count)
        .zip((1..=16).cycle())
        .map(|(node_id, weight)| (node_id, candidate(weight, None)))
        .collect();
    let (router, _writer) = router(&candidates, None);
    let table = router.table();
    let mut slots = vec![0_u32; candidates.len()];
    for slot in 0..SLOTS as u32 {
        slots[table.route_slot(slot, 1, None)[0] as usize] += 1;
    }
    let total: u32 = candidates.values().map(|c| c.weight).sum();
    let ratios: Vec<f64> = slots
        .iter()
        .zip(candidates.values())
        .map(|(&slots, c)| f64::from(slots) / SLOTS as f64 * f64::from(total) / f64::from(c.weight))
        .collect();
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let deviation = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt() / mean;
    println!("{count} nodes: relative standard deviation of share / weight {deviation:.4}");
    deviation
}
