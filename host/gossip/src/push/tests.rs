use edge_cache_core::MemberStatus;

use super::*;
use crate::cluster_member::ClusterMember;
use crate::known::KnownPeers;
use crate::view::ClusterView;

fn pusher(own_node_id: u64, node_ids: &[u64]) -> Pusher {
    let members = node_ids
        .iter()
        .map(|node_id| ClusterMember {
            node_id: *node_id,
            status: MemberStatus::Alive,
            address: address(*node_id),
            generation: 1,
            policy: None,
        })
        .collect();
    let membership = Membership::new(KnownPeers::default(), true, Duration::ZERO, 1);
    membership.view.store(Arc::new(ClusterView {
        members,
        ..ClusterView::default()
    }));
    Pusher::new(own_node_id, PushBudget::default(), Arc::new(membership))
}

fn address(node_id: u64) -> SocketAddr {
    ([127, 0, 0, 1], u16::try_from(node_id).unwrap()).into()
}

#[test]
fn the_next_node_id_is_always_one_of_three_distinct_peers() {
    for (own, next) in [(1, 2), (4, 7), (9, 1), (10, 1)] {
        let others: Vec<u64> = [1, 2, 3, 7, 9]
            .into_iter()
            .filter(|id| *id != own)
            .collect();
        let mut pusher = pusher(own, &others);
        for _ in 0..100 {
            let chosen = pusher.choose();
            assert_eq!(chosen[0], address(next), "after {own}");
            assert_eq!(chosen.len(), FANOUT);
            assert!(chosen[1] != chosen[0] && chosen[2] != chosen[0] && chosen[1] != chosen[2]);
        }
    }
}

#[test]
fn fewer_than_three_peers_are_all_chosen() {
    assert_eq!(pusher(2, &[1, 3]).choose(), [address(3), address(1)]);
    assert_eq!(pusher(1, &[]).choose(), []);
}

#[test]
fn every_peer_is_chosen_at_some_time() {
    let others: Vec<u64> = (2..=20).collect();
    let mut pusher = pusher(1, &others);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        seen.extend(pusher.choose());
    }
    assert_eq!(seen.len(), others.len());
}

#[test]
fn a_bucket_grants_one_second_as_a_burst_and_then_its_rate() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(10);
    for _ in 0..10 {
        assert_eq!(bucket.take(1, start), Some(Duration::ZERO));
    }
    assert_eq!(bucket.take(1, start), Some(Duration::from_millis(100)));
    assert_eq!(bucket.take(1, start), Some(Duration::from_millis(200)));
    let later = start + Duration::from_secs(10);
    assert_eq!(bucket.take(10, later), Some(Duration::ZERO));
    assert_eq!(bucket.take(1_000, later), Some(Duration::from_secs(1)));
}

#[test]
fn an_empty_budget_grants_nothing() {
    assert_eq!(TokenBucket::new(0).take(1, Instant::now()), None);
}
