use super::*;
use edge_cache_core::EdgeCacheStats;

fn disable(node_id: u64) -> Operation {
    Operation::Disable { node_id }
}

#[test]
fn a_failing_change_is_held_for_a_minute_and_others_are_not() {
    let start = Instant::now();
    let mut quarantine = Quarantine::default();
    quarantine.add(disable(1), start);
    quarantine.forget_old(start);
    assert!(quarantine.holds(&disable(1)));
    assert!(!quarantine.holds(&disable(2)));
    quarantine.forget_old(start + REFUSED_FOR - Duration::from_millis(1));
    assert!(quarantine.holds(&disable(1)));
    quarantine.forget_old(start + REFUSED_FOR);
    assert!(!quarantine.holds(&disable(1)));
}

#[test]
fn the_oldest_goes_first() {
    let start = Instant::now();
    let mut quarantine = Quarantine::default();
    for node_id in 0..=KEPT_MAX as u64 {
        quarantine.add(disable(node_id), start);
    }
    assert!(!quarantine.holds(&disable(0)));
    assert!(quarantine.holds(&disable(1)));
    assert!(quarantine.holds(&disable(KEPT_MAX as u64)));
}

#[test]
fn a_source_is_held_whatever_it_has_counted_meanwhile() {
    let put = |source: &str, hits| Operation::PutSource {
        source: source.parse().unwrap(),
        counters: EdgeCacheStats { hits, misses: 0 },
    };
    let mut quarantine = Quarantine::default();
    quarantine.add(put("7/a", 1), Instant::now());
    assert!(quarantine.holds(&put("7/a", 2)));
    assert!(!quarantine.holds(&put("7/b", 1)));
    assert!(!quarantine.holds(&put("8/a", 1)));
}
