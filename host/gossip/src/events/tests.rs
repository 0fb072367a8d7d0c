use super::*;

fn info(node_id: u64, label: &str) -> PeerInfo {
    let mut info = PeerInfo::placeholder(node_id);
    info.labels.insert("label".into(), label.into());
    info
}

fn peers(infos: &[(u64, &str)], left: &[u64]) -> Peers {
    let infos = infos.iter();
    let mut peers = Peers::from_iter(infos.map(|(id, label)| Arc::new(info(*id, label))));
    peers.left = left.to_vec();
    peers
}

#[test]
fn a_comparison_names_each_node_at_most_once() {
    let older = peers(&[(1, "same"), (2, "old"), (3, "gone"), (9, "gone")], &[]);
    let newer = peers(&[(0, "new"), (1, "same"), (2, "new"), (4, "new")], &[3]);
    assert_eq!(
        events_between(&older, &newer),
        [
            TopologyEvent::Left { node_id: 3 },
            TopologyEvent::Failed { node_id: 9 },
            TopologyEvent::Joined(info(0, "new")),
            TopologyEvent::Updated(info(2, "new")),
            TopologyEvent::Joined(info(4, "new")),
        ]
    );
    assert!(events_between(&newer, &newer).is_empty());
}
