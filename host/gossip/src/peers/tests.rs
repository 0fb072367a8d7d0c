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
    let peers = Peers::from_ascending(infos);
    assert_eq!(peers.len(), 3);
    assert_eq!(**peers.get(5).unwrap(), info(5, "b"));
    assert_eq!(**peers.get(u64::MAX).unwrap(), info(u64::MAX, "c"));
    assert_eq!(peers.get(2), None);
    assert!(Peers::default().is_empty());
}
