use super::*;

#[test]
fn each_node_is_complained_about_once() {
    let mut complaints = Complaints::new();
    assert_eq!(complaints.about(7), Complaint::First);
    assert_eq!(complaints.about(7), Complaint::None);
    assert_eq!(complaints.about(8), Complaint::First);
    assert_eq!(complaints.about(7), Complaint::None);
}

#[test]
fn invented_nodes_do_not_fill_the_memory() {
    let mut complaints = Complaints::new();
    let most = u64::try_from(MAX_NODES).unwrap();
    for node_id in 1..most {
        assert_eq!(complaints.about(node_id), Complaint::First);
    }
    assert_eq!(complaints.about(most), Complaint::Last);
    assert_eq!(complaints.about(most), Complaint::None);
    assert_eq!(complaints.about(most + 1), Complaint::None);
    assert_eq!(complaints.nodes.len(), MAX_NODES);
}
