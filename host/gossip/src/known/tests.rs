use super::*;
use crate::peers::Peers;

const HOUR: Duration = Duration::from_secs(60 * 60);
const NOW_MS: u64 = 1_800_000_000_000;
const AWAITED: Duration = Duration::from_secs(15);

fn member(node_id: u64, status: MemberStatus) -> ClusterMember {
    ClusterMember {
        node_id,
        status,
        address: ([10, 0, 0, 1], 7_946).into(),
        generation: 5,
        policy: Some("0123456789ab".into()),
    }
}

fn view(members: Vec<ClusterMember>) -> ClusterView {
    ClusterView {
        peers: Arc::new(Peers::default()),
        members,
        ..ClusterView::default()
    }
}

/// Updates with these live members and returns the nodes that are listed as failed.
fn failed(known: &mut KnownPeers, alive: &[u64], now: Instant) -> Vec<u64> {
    let members = alive.iter().map(|id| member(*id, MemberStatus::Alive));
    let mut view = view(members.collect());
    let live = alive.iter().copied().collect();
    known.update(&mut view, &live, |_| false, now);
    let failed = view.with_status(MemberStatus::Failed);
    failed.map(|member| member.node_id).collect()
}

fn stored(node_id: u64, seen_ms: u64) -> RememberedMembers {
    let mut peer = Known::alive(&member(node_id, MemberStatus::Alive), Instant::now()).peer;
    peer.seen_ms = seen_ms;
    RememberedMembers {
        own_address: None,
        peers: vec![peer],
        ..RememberedMembers::default()
    }
}

#[test]
fn a_silent_peer_is_failed_for_72_hours() {
    let mut known = KnownPeers::default();
    let start = Instant::now();
    assert!(failed(&mut known, &[2, 3], start).is_empty());
    assert_eq!(failed(&mut known, &[3], start + HOUR), [2]);
    assert_eq!(failed(&mut known, &[3], start + 71 * HOUR), [2]);
    assert!(failed(&mut known, &[3], start + 72 * HOUR).is_empty());
    assert!(failed(&mut known, &[2, 3], start + 73 * HOUR).is_empty());
    assert_eq!(failed(&mut known, &[3], start + 74 * HOUR), [2]);
}

#[test]
fn a_life_that_leaves_keeps_its_policy_and_another_gets_none() {
    let mut known = KnownPeers::default();
    let now = Instant::now();
    failed(&mut known, &[2], now);
    let leaving = ClusterMember {
        policy: None,
        ..member(2, MemberStatus::Leaving)
    };
    let other_life = ClusterMember {
        generation: 4,
        ..leaving.clone()
    };
    let mut policy = |member: &ClusterMember| {
        let mut view = view(vec![member.clone()]);
        known.update(&mut view, &BTreeSet::from([2]), |_| false, now);
        view.members[0].policy.clone()
    };
    assert_eq!(policy(&leaving).as_deref(), Some("0123456789ab"));
    assert_eq!(policy(&other_life), None);
}

#[test]
fn a_peer_that_has_left_is_not_failed_but_still_called() {
    let mut known = KnownPeers::default();
    let now = Instant::now();
    failed(&mut known, &[2], now);
    let mut left = view(vec![member(2, MemberStatus::Left)]);
    known.update(
        &mut left,
        &BTreeSet::new(),
        |peer| peer.generation == 5,
        now,
    );
    assert_eq!(left.members[0].status, MemberStatus::Left);
    assert!(failed(&mut known, &[], now + HOUR).is_empty());
    assert!(!known.misses_any());
    assert_eq!(known.addresses().count(), 1);
}

#[test]
fn peers_silent_for_longest_are_forgotten_first() {
    let mut known = KnownPeers::default();
    let start = Instant::now();
    let many = u64::try_from(PEERS_MAX).unwrap();
    let first: Vec<_> = (0..many).collect();
    failed(&mut known, &first, start);
    let more = [many, many + 1];
    let listed = failed(&mut known, &more, start + HOUR);
    assert_eq!(listed.len(), PEERS_MAX - 2);
    assert_eq!(listed[0], 2);
}

#[test]
fn an_operator_can_forget_a_failed_peer_only() {
    let mut known = KnownPeers::default();
    let now = Instant::now();
    failed(&mut known, &[2, 3], now);
    let silent = || member(2, MemberStatus::Failed);
    let mut listed = view(vec![silent(), member(3, MemberStatus::Alive)]);
    let live = BTreeSet::from([3]);
    known.update(&mut listed, &live, |_| false, now);
    for other in [3, 4] {
        assert!(!known.forget(other, &listed));
    }
    assert!(known.forget(2, &listed));
    assert!(!known.misses_any() || known.addresses().all(|(node_id, _)| node_id == 3));
    // chitchat still knows the silent member.
    let mut listed = view(vec![silent(), member(3, MemberStatus::Alive)]);
    known.update(&mut listed, &live, |_| false, now);
    assert_eq!(listed.members.len(), 1);
    // Over a restart too.
    let stored = known.to_store(now, NOW_MS).unwrap();
    let mut known = KnownPeers::default();
    known.load(stored, AWAITED, (now, NOW_MS));
    let mut listed = view(vec![silent(), member(3, MemberStatus::Alive)]);
    known.update(&mut listed, &live, |_| false, now);
    assert_eq!(listed.members.len(), 1);
    // A later life counts again.
    let mut later = silent();
    later.generation = 6;
    let mut listed = view(vec![later]);
    known.update(&mut listed, &BTreeSet::new(), |_| false, now);
    assert_eq!(listed.members.len(), 2);
}

/// The clock is wrong at the start, or when the table was stored: nobody is forgotten at once, and nobody is kept for
/// longer than 72 hours.
#[test]
fn times_of_a_wrong_clock_do_no_harm() {
    let years = 20 * 365 * 24 * 60 * 60 * 1_000;
    for seen_ms in [0, NOW_MS - years, NOW_MS + years, u64::MAX] {
        let mut known = KnownPeers::default();
        let start = Instant::now();
        known.load(stored(2, seen_ms), AWAITED, (start, NOW_MS));
        assert!(failed(&mut known, &[], start).is_empty(), "not heard yet");
        assert_eq!(failed(&mut known, &[], start + AWAITED), [2]);
        assert_eq!(failed(&mut known, &[], start + HOUR / 2), [2]);
        assert!(failed(&mut known, &[], start + 72 * HOUR).is_empty());
    }
}

#[test]
fn the_time_of_silence_is_kept_over_a_restart() {
    let mut known = KnownPeers::default();
    let start = Instant::now();
    failed(&mut known, &[2], start);
    let table = known.to_store(start + 10 * HOUR, NOW_MS).unwrap();
    assert_eq!(table.peers[0].seen_ms, NOW_MS - 10 * 60 * 60 * 1_000);
    known.set_stored(table.clone());
    assert_eq!(known.to_store(start + 10 * HOUR, NOW_MS), None);

    let mut again = KnownPeers::default();
    again.load(table, AWAITED, (start, NOW_MS));
    assert_eq!(failed(&mut again, &[], start + 61 * HOUR), [2]);
    assert!(failed(&mut again, &[], start + 62 * HOUR).is_empty());
}
