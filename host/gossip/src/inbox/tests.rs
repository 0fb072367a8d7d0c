use std::time::Duration;

use chitchat::transport::ChannelTransport;
use chitchat::{DeletionStatus, VersionedValue, spawn_chitchat};
use edge_cache_core::PeerInfo;

use super::*;
use crate::GossipConfig;

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

/// All values are read again as long as some were left. A member that is gone must not keep that up.
#[tokio::test]
async fn a_silent_member_with_many_decisions_is_read_a_few_times() {
    const RECORDS: u64 = 150_000;
    let listen = ([127, 0, 0, 1], 1).into();
    let mut config = GossipConfig::new(PeerInfo::placeholder(1), "test", listen);
    config.interval = Duration::from_secs(3_600);
    let config = config.chitchat(ChitchatId::new("worker:1", 1, listen));
    let transport = ChannelTransport::with_mtu(65_507);
    let handle = spawn_chitchat(config, Vec::new(), &transport)
        .await
        .unwrap();
    let gone = ChitchatId::new("worker:2", 1, ([127, 0, 0, 1], 2).into());
    let values = (1..=RECORDS).map(|version| {
        let value = VersionedValue {
            value: VALUE.to_owned(),
            version,
            status: DeletionStatus::Set,
        };
        (format!("{DECISION_PREFIX}{version}"), value)
    });
    let chitchat = handle.chitchat();
    let mut chitchat = chitchat.lock().await;
    chitchat.reset_node_state_if_update(&gone, values, RECORDS, 0);

    let inbox = Inbox::default();
    let (mut rounds, mut delivered) = (0, 0);
    loop {
        inbox.read(&chitchat);
        rounds += 1;
        assert!(rounds < 20, "{delivered} delivered");
        delivered += inbox.take_pending().len();
        let again = tokio::time::timeout(Duration::ZERO, inbox.reread.notified());
        if again.await.is_err() {
            break;
        }
    }
    assert_eq!(delivered, usize::try_from(RECORDS).unwrap());
    assert_eq!(rounds, delivered.div_ceil(PENDING_MAX));
    // No live member carries them.
    let mut seen = inbox.lock().seen.values().copied().collect::<Vec<_>>();
    seen.retain(|seen| seen.is_replicated);
    assert_eq!(seen.len(), 0);
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
