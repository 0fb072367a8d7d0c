//! Discovery of members, and propagation of changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::harness::{config, eventually, info, labels, next, node_ids, peers_when, start};
use crate::drop_reason::DropReason;
use crate::{GossipConfig, GossipMemory, GossipPool, ProcessMemory, TopologyEvent};

#[tokio::test]
async fn three_members_see_each_other_and_each_others_labels() {
    let a = start(1, &[]).await;
    let b = start(2, &[&a]).await;
    let c = start(3, &[&a]).await;
    for pool in [&a, &b, &c] {
        let name = pool.node_id().to_string();
        pool.publish_labels(labels(&[("name", &name)])).unwrap();
    }
    let all = [
        info(1, &[("name", "1")]),
        info(2, &[("name", "2")]),
        info(3, &[("name", "3")]),
    ];
    for pool in [&a, &b, &c] {
        let others: Vec<_> = all
            .iter()
            .filter(|info| info.node_id != pool.node_id())
            .cloned()
            .collect();
        peers_when(pool, |peers| {
            peers.iter().map(|info| &**info).eq(others.iter())
        })
        .await;
        assert_eq!(pool.peers(), others);
        assert_eq!(pool.metrics().bad_records.get(), 0);
    }
}

#[tokio::test]
async fn a_change_arrives_as_one_update() {
    let a = start(1, &[]).await;
    let b = start(2, &[&a]).await;
    let mut events = a.subscribe();
    assert!(events.snapshot().is_empty());
    assert_eq!(next(&mut events).await, TopologyEvent::Joined(info(2, &[])));
    for turn in ["1", "2", "3"] {
        let change = [("turn", turn)];
        b.publish_labels(labels(&change)).unwrap();
        assert_eq!(
            next(&mut events).await,
            TopologyEvent::Updated(info(2, &change))
        );
    }
    assert_eq!(*events.snapshot(), a.snapshot());
}

#[tokio::test]
async fn changes_arrive_before_the_next_round() {
    let mut slow = config(1, &[]);
    slow.interval = Duration::from_secs(1);
    let a = GossipPool::start(slow.clone()).await.unwrap();
    let b = start(2, &[&a]).await;
    let mut events = a.subscribe();
    next(&mut events).await;

    let turns = 20;
    let begin = Instant::now();
    for turn in 0..turns {
        let change = [("turn", &*turn.to_string())];
        b.publish_labels(labels(&change)).unwrap();
        let updated = TopologyEvent::Updated(info(2, &change));
        assert_eq!(next(&mut events).await, updated);
    }
    assert!(begin.elapsed() < slow.interval * turns / 2);
}

#[tokio::test]
async fn a_slow_subscriber_reaches_the_newest_state() {
    let a = start(1, &[]).await;
    let b = start(2, &[&a]).await;
    peers_when(&a, |peers| peers.len() == 1).await;
    let mut slow = a.subscribe();
    for turn in 0..=20 {
        let turn = turn.to_string();
        b.publish_labels(labels(&[("turn", &turn)])).unwrap();
        peers_when(&a, |peers| {
            peers
                .get(2)
                .is_some_and(|info| info.labels.get("turn") == Some(&turn))
        })
        .await;
    }
    assert_eq!(
        next(&mut slow).await,
        TopologyEvent::Updated(info(2, &[("turn", "20")])),
        "all changes at once"
    );
    assert_eq!(*slow.snapshot(), a.snapshot());
}

#[tokio::test]
async fn a_restarted_member_replaces_its_earlier_generation() {
    let a = start(1, &[]).await;
    let first = GossipPool::start(config(2, &[&a])).await.unwrap();
    first.publish_labels(labels(&[("life", "1")])).unwrap();
    peers_when(&a, |peers| peers.iter().any(|peer| !peer.labels.is_empty())).await;
    let mut events = a.subscribe();
    assert_eq!(events.snapshot().len(), 1);

    first.shutdown().await;
    let mut again = config(2, &[&a]);
    again.self_info = info(2, &[("life", "2")]);
    // A clock that went back must not give the same generation again.
    let memory = ProcessMemory::default();
    let ahead = first.generation() + 60_000_000_000;
    memory.next_generation(ahead).unwrap();
    again.memory = Arc::new(memory);
    let second = GossipPool::start(again).await.unwrap();
    assert_eq!(second.generation(), ahead + 1);
    assert_eq!(
        next(&mut events).await,
        TopologyEvent::Updated(info(2, &[("life", "2")])),
        "no leave and no join in between"
    );
    assert_eq!(node_ids(&a.snapshot()), [2]);
    peers_when(&second, |peers| node_ids(peers) == [1]).await;

    // The death of the earlier generation is not an event.
    second.publish_labels(labels(&[("marker", "")])).unwrap();
    let marked = info(2, &[("life", "2"), ("marker", "")]);
    assert_eq!(next(&mut events).await, TopologyEvent::Updated(marked));
}

#[tokio::test]
async fn a_silent_member_is_reported_as_failed() {
    // With more heartbeats seen, the failure detector reacts sooner.
    let fast = |mut settings: GossipConfig| {
        settings.interval = Duration::from_millis(10);
        settings
    };
    let a = GossipPool::start(fast(config(1, &[]))).await.unwrap();
    let b = GossipPool::start(fast(config(2, &[&a]))).await.unwrap();
    let mut events = a.subscribe();
    next(&mut events).await;
    eventually(|| a.metrics().received().0 > 500).await;
    b.shutdown().await;
    assert_eq!(
        next(&mut events).await,
        TopologyEvent::Failed { node_id: 2 }
    );
    assert!(a.peers().is_empty());
}

#[tokio::test]
async fn members_of_different_clusters_do_not_meet() {
    let a = start(1, &[]).await;
    let mut other = config(2, &[&a]);
    other.cluster_id = "another".into();
    let b = GossipPool::start(other).await.unwrap();
    let c = start(3, &[&a]).await;
    peers_when(&c, |peers| node_ids(peers) == [1]).await;
    // By now `a` has refused `b` several times, while it has listed `c`.
    eventually(|| b.metrics().dropped(DropReason::Refused) >= 10).await;
    assert!(a.metrics().dropped(DropReason::OtherCluster) >= 10);
    peers_when(&a, |peers| node_ids(peers) == [3]).await;
    assert!(b.peers().is_empty());
}
