use super::*;

fn info(node_id: NodeId, value: &str) -> PeerInfo {
    PeerInfo {
        labels: [("key".to_string(), value.to_string())].into(),
        ..PeerInfo::placeholder(node_id)
    }
}

fn trap() -> Failure {
    Failure::Trap {
        call: "assess",
        reason: "it did".to_string(),
        lines: Vec::new(),
    }
}

fn deadline() -> Failure {
    Failure::Limit {
        call: "assess",
        kind: "deadline",
        exceeded: "ran for longer than 250 ms".to_string(),
        setting: "call_deadline",
        lines: Vec::new(),
    }
}

#[test]
fn failing_labels_stay_in_while_others_come_and_go() {
    let mut quarantine = Quarantine::default();
    let now = Instant::now();
    assert_eq!(quarantine.add(&info(7, "failing"), &trap(), now), None);
    quarantine.forget_old(now + Duration::from_secs(365 * 24 * 60 * 60));
    assert_eq!(quarantine.until(&info(7, "failing")), Some(None));
    assert_eq!(quarantine.until(&info(7, "harmless")), None);
    assert_eq!(quarantine.until(&info(8, "failing")), None);
    assert!(quarantine.holds_any_of(7));
    assert!(!quarantine.holds_any_of(8));
}

#[test]
fn a_deadline_that_passed_is_forgiven() {
    let mut quarantine = Quarantine::default();
    let now = Instant::now();
    let until = quarantine.add(&info(7, "slow"), &deadline(), now);
    assert_eq!(until, Some(now + DEADLINE_FORGIVEN));
    assert_eq!(quarantine.until(&info(7, "slow")), Some(until));
    quarantine.forget_old(now + DEADLINE_FORGIVEN);
    assert_eq!(quarantine.until(&info(7, "slow")), None);
}

#[test]
fn the_oldest_goes_first() {
    let mut quarantine = Quarantine::default();
    let now = Instant::now();
    for n in 0..=KEPT_MAX {
        let at = now + Duration::from_millis(n.try_into().unwrap());
        quarantine.add(&info(7, &n.to_string()), &trap(), at);
    }
    assert_eq!(quarantine.failing.len(), KEPT_MAX);
    assert_eq!(quarantine.until(&info(7, "0")), None);
    assert_eq!(quarantine.until(&info(7, "1")), Some(None));
}

#[test]
fn keys_and_values_do_not_run_together() {
    let labels = |pairs: &[(&str, &str)]| PeerInfo {
        labels: pairs
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        ..PeerInfo::placeholder(7)
    };
    assert_ne!(
        digest(&labels(&[("ab", "c")])),
        digest(&labels(&[("a", "bc")]))
    );
}
