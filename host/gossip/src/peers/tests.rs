use super::*;

fn info(node_id: u64, label: &str) -> PeerInfo {
    let mut info = PeerInfo::placeholder(node_id);
    info.labels.insert("label".into(), label.into());
    info
}

#[test]
fn a_peer_is_found_by_its_node_id() {
    let infos = [(1, "a"), (5, "b"), (u64::MAX, "c")];
    let infos = infos.map(|(node_id, label)| Arc::new(info(node_id, label)));
    let peers = Peers::from_iter(infos);
    assert_eq!(peers.len(), 3);
    assert_eq!(**peers.get(5).unwrap(), info(5, "b"));
    assert_eq!(**peers.get(u64::MAX).unwrap(), info(u64::MAX, "c"));
    assert_eq!(peers.get(2), None);
    assert!(Peers::default().is_empty());
}

#[test]
fn infos_are_taken_in_any_order_and_of_each_node_the_last_one() {
    let given = [(5, "old"), (9, "c"), (1, "old"), (5, "new"), (1, "new")];
    let given = given.map(|(node_id, label)| Arc::new(info(node_id, label)));
    let peers = Peers::from_iter(given);
    let expected = [(1, "new"), (5, "new"), (9, "c")].map(|(id, label)| info(id, label));
    assert_eq!(
        peers
            .iter()
            .map(|it| PeerInfo::clone(it))
            .collect::<Vec<_>>(),
        expected
    );
}
