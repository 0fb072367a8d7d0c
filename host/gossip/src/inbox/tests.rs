use super::*;

const VALUE: &str = r#"{"op":"disable","at":1,"by":1}"#;

/// Reads the state of members who carry decisions about these nodes, and takes all that is new.
fn read(inbox: &Inbox, nodes: std::ops::Range<usize>) -> usize {
    for node_id in nodes {
        inbox.offer(&node_id.to_string(), VALUE);
    }
    inbox.take_pending().len()
}

#[test]
fn many_decisions_are_delivered_once_each_and_then_nothing_more() {
    const RECORDS: usize = 150_000;
    let inbox = Inbox::default();
    let reads = RECORDS.div_ceil(PENDING_MAX);
    let delivered: usize = (0..reads).map(|_| read(&inbox, 0..RECORDS)).sum();
    assert_eq!(delivered, RECORDS);
    assert_eq!(read(&inbox, 0..RECORDS), 0);
}

#[test]
fn beyond_the_limit_decisions_are_ignored_and_known_nodes_are_not() {
    let inbox = Inbox::default();
    let more = NODES_MAX + 1_000;
    let reads = more.div_ceil(PENDING_MAX) + 1;
    let delivered: usize = (0..reads).map(|_| read(&inbox, 0..more)).sum();
    assert_eq!(delivered, NODES_MAX);
    assert_eq!(inbox.lock().ignored, 2 * 1_000);
    assert!(inbox.offer("7", r#"{"op":"disable","at":2,"by":1}"#));
}
