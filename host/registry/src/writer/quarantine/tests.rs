use super::*;

fn disable(node_id: u64) -> Operation {
    Operation::Disable { node_id }
}

#[test]
fn a_killer_is_held_for_a_minute_and_others_are_not() {
    let start = Instant::now();
    let mut quarantine = Quarantine::default();
    quarantine.add(disable(1), start);
    assert!(quarantine.holds(&disable(1), start));
    assert!(!quarantine.holds(&disable(2), start));
    assert!(quarantine.holds(&disable(1), start + REFUSED_FOR - Duration::from_millis(1)));
    assert!(!quarantine.holds(&disable(1), start + REFUSED_FOR));
}

#[test]
fn the_oldest_goes_first() {
    let start = Instant::now();
    let mut quarantine = Quarantine::default();
    for node_id in 0..=KEPT as u64 {
        quarantine.add(disable(node_id), start);
    }
    assert!(!quarantine.holds(&disable(0), start));
    assert!(quarantine.holds(&disable(1), start));
    assert!(quarantine.holds(&disable(KEPT as u64), start));
}
