use super::*;

fn info(node_id: u64, label: &str) -> PeerInfo {
    let mut info = PeerInfo::placeholder(node_id);
    info.labels.insert("label".into(), label.into());
    info
}

fn peers(records: &[(u64, &str)]) -> Peers {
    Peers::from_ascending(
        records
            .iter()
            .map(|(node_id, label)| Arc::new(info(*node_id, label))),
    )
}

#[test]
fn a_peer_is_found_by_its_id() {
    let peers = peers(&[(1, "a"), (5, "b"), (u64::MAX, "c")]);
    assert_eq!(peers.len(), 3);
    assert_eq!(**peers.get(5).unwrap(), info(5, "b"));
    assert_eq!(**peers.get(u64::MAX).unwrap(), info(u64::MAX, "c"));
    assert_eq!(peers.get(2), None);
    assert!(Peers::default().is_empty());
}

#[test]
fn the_difference_names_each_node_at_most_once() {
    let older = peers(&[(1, "same"), (2, "old"), (3, "gone"), (9, "gone")]);
    let newer = peers(&[(0, "new"), (1, "same"), (2, "new"), (4, "new")]);
    assert_eq!(
        older.events_to(&newer),
        [
            TopologyEvent::Left { node_id: 3 },
            TopologyEvent::Left { node_id: 9 },
            TopologyEvent::Joined(info(0, "new")),
            TopologyEvent::Updated(info(2, "new")),
            TopologyEvent::Joined(info(4, "new")),
        ]
    );
    assert!(newer.events_to(&newer).is_empty());
}
