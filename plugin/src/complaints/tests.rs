use super::*;

#[test]
fn each_node_is_complained_about_once() {
    let mut complaints = Complaints::new();
    let nodes = [7, 7, 8, 7];
    assert_eq!(
        nodes.map(|id| complaints.add(id)),
        [true, false, true, false]
    );
}

#[test]
fn invented_nodes_do_not_fill_the_memory() {
    let mut complaints = Complaints::new();
    let most = u64::try_from(MAX_NODES).unwrap();
    assert!((1..=most).all(|node_id| complaints.add(node_id)));
    assert!(!complaints.add(most));
    assert!(!complaints.add(most + 1));
    assert_eq!(complaints.0.len(), MAX_NODES);
}
