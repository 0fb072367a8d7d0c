use super::*;

fn info(node_id: NodeId, label: &str) -> Arc<PeerInfo> {
    let mut info = PeerInfo::placeholder(node_id);
    info.labels.insert("label".to_string(), label.to_string());
    Arc::new(info)
}

#[test]
fn the_own_node_is_no_peer_and_the_last_info_counts() {
    let infos = [(9, "a"), (2, "old"), (7, "old"), (2, "new"), (7, "new")];
    let live = LiveNodes::new(7, infos.map(|(node_id, label)| info(node_id, label)));
    assert_eq!(live.own, Some(info(7, "new")));
    let peers: Vec<_> = live.peers.iter().cloned().collect();
    assert_eq!(peers, [info(2, "new"), info(9, "a")]);
    let infos: Vec<_> = live.infos().map(|info| info.node_id).collect();
    assert_eq!(infos, [2, 9, 7]);
}

#[test]
fn a_node_that_is_not_announced_yet_is_not_live() {
    let live = LiveNodes::new(7, [info(2, "a")]);
    assert_eq!(live.info(7), None);
    assert_eq!(live.info(2), Some(&info(2, "a")));
}
