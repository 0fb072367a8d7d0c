use prometheus_client::metrics::counter::Counter;

use super::*;

const OWN: u64 = 1;
const POLICY: &str = "0123456789ab";

struct Fixture {
    directory: Directory,
    instant: Instant,
    bad: Counter,
}

impl Fixture {
    fn new() -> Self {
        let bad = Counter::default();
        let directory = Directory::new(OWN, Duration::from_secs(1), BadRecords::new(bad.clone()));
        Self {
            directory,
            instant: Instant::now(),
            bad,
        }
    }

    fn update(&mut self, readings: Vec<MemberReading>) -> ClusterView {
        self.update_and_wait(readings).0
    }

    fn update_and_wait(&mut self, readings: Vec<MemberReading>) -> (ClusterView, Option<Duration>) {
        self.directory.update(readings, Some(POLICY), self.instant)
    }

    /// Returns the listed peers, as node ids and texts.
    fn listed(&mut self, readings: Vec<MemberReading>) -> Vec<(u64, String)> {
        let view = self.update(readings);
        view.peers
            .iter()
            .map(|info| (info.node_id, info.overlay_ip.clone()))
            .collect()
    }

    fn bad(&self) -> u64 {
        self.bad.get()
    }
}

fn id(name: &str, generation: u64) -> ChitchatId {
    ChitchatId::new(name, generation, ([127, 0, 0, 1], 7946).into())
}

/// Reads a member with a new record of version 1. `text` distinguishes it from others.
fn fresh(node_id: u64, generation: u64, text: &str) -> MemberReading {
    let mut info = PeerInfo::placeholder(node_id);
    info.overlay_ip = text.into();
    raw(node_id, generation, 1, NodeRecord::from(info).encode())
}

fn raw(
    node_id: u64,
    generation: u64,
    version: Version,
    value: Result<String, InfoError>,
) -> MemberReading {
    MemberReading {
        id: id(&PeerInfo::key(node_id), generation),
        is_live: true,
        has_arrived: true,
        heartbeat: Heartbeat::default(),
        max_version: version,
        record: RecordReading::New(version, value),
        stats: None,
        foreign_keys: Vec::new(),
    }
}

fn with(mut reading: MemberReading, record: RecordReading) -> MemberReading {
    reading.record = record;
    reading
}

fn one(node_id: u64, text: &str) -> Vec<(u64, String)> {
    vec![(node_id, text.into())]
}

#[test]
fn peers_are_listed_in_ascending_order_without_this_node() {
    let mut fixture = Fixture::new();
    let listed = fixture.listed(vec![
        fresh(10, 5, "ten"),
        fresh(OWN, 4, "earlier self"),
        fresh(9, 5, "nine"),
    ]);
    assert_eq!(listed, [one(9, "nine"), one(10, "ten")].concat());
}

#[test]
fn the_highest_live_generation_counts_once_it_has_a_record() {
    let mut fixture = Fixture::new();
    let old = || fresh(7, 5, "old");
    let new = || fresh(7, 6, "new");
    let listed = fixture.listed(vec![with(new(), RecordReading::Absent), old()]);
    assert_eq!(listed, one(7, "old"));
    assert_eq!(fixture.listed(vec![old(), new()]), one(7, "new"));
    let known = || RecordReading::Known;
    let listed = fixture.listed(vec![with(new(), known()), with(old(), known())]);
    assert_eq!(listed, one(7, "new"));
}

#[test]
fn a_bad_record_hides_its_node_even_if_an_older_generation_is_good() {
    let mut fixture = Fixture::new();
    let listed = fixture.listed(vec![
        fresh(7, 5, "old"),
        raw(7, 6, 1, Ok("not base64!".into())),
    ]);
    assert_eq!(listed, []);
    assert_eq!(fixture.bad(), 1);
}

#[test]
fn a_bad_record_is_counted_once_and_can_be_replaced() {
    let mut fixture = Fixture::new();
    let bad = |version| {
        raw(
            7,
            5,
            version,
            NodeRecord::from(PeerInfo::placeholder(8)).encode(),
        )
    };
    assert_eq!(fixture.listed(vec![bad(1)]), []);
    assert_eq!(fixture.listed(vec![with(bad(1), RecordReading::Known)]), []);
    assert_eq!(fixture.listed(vec![]), [], "dead for a while");
    assert_eq!(fixture.listed(vec![bad(1)]), []);
    assert_eq!(fixture.bad(), 1);
    assert_eq!(fixture.listed(vec![bad(2)]), []);
    assert_eq!(fixture.bad(), 2, "another record");
    let mended = raw(7, 5, 3, NodeRecord::from(PeerInfo::placeholder(7)).encode());
    assert_eq!(fixture.listed(vec![mended]), one(7, ""));
    assert_eq!(fixture.bad(), 2);
}

#[test]
fn a_removed_record_is_not_listed() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.listed(vec![fresh(7, 5, "here")]), one(7, "here"));
    let gone = with(fresh(7, 5, "here"), RecordReading::Absent);
    assert_eq!(fixture.listed(vec![gone]), []);
    assert_eq!(fixture.bad(), 0);
}

#[test]
fn foreign_keys_are_counted_once_per_version() {
    let mut fixture = Fixture::new();
    let reading = |versions: &[Version]| {
        let mut reading = fresh(7, 5, "good");
        reading.foreign_keys = versions
            .iter()
            .map(|version| ("worker:8".into(), *version))
            .collect();
        reading
    };
    let listed = fixture.listed(vec![reading(&[2, 3])]);
    assert_eq!(listed, one(7, "good"), "its own record is still good");
    fixture.listed(vec![reading(&[3])]);
    assert_eq!(fixture.bad(), 2);
}

/// No generation is compared with a clock.
#[test]
fn the_highest_generation_counts_however_far_it_is_ahead() {
    let mut fixture = Fixture::new();
    let readings = vec![fresh(7, 5, "old"), fresh(7, u64::MAX, "centuries ahead")];
    let (view, again_in) = fixture.update_and_wait(readings);
    assert_eq!(view.peers.get(7).unwrap().overlay_ip, "centuries ahead");
    assert_eq!(again_in, None);
    assert_eq!(fixture.bad(), 0);
}

#[test]
fn a_leaving_node_is_not_a_peer() {
    let mut fixture = Fixture::new();
    let mut record = NodeRecord::from(PeerInfo::placeholder(7));
    record.leaving = true;
    let view = fixture.update(vec![fresh(8, 5, "stays"), raw(7, 5, 1, record.encode())]);
    let node_ids: Vec<_> = view.peers.iter().map(|info| info.node_id).collect();
    assert_eq!(node_ids, [8]);
    let members = [(7, 5, MemberStatus::Leaving), (8, 5, MemberStatus::Alive)];
    assert_eq!(statuses(&view), members);

    // The node is back under a higher generation while the earlier one still seems live.
    let gone = with(raw(7, 5, 1, record.encode()), RecordReading::Known);
    let view = fixture.update(vec![gone, fresh(7, 6, "back")]);
    assert_eq!(view.peers.len(), 1);
    assert_eq!(statuses(&view), [(7, 6, MemberStatus::Alive)]);
    assert_eq!(fixture.bad(), 0);
}

/// A new life counts as live after three heartbeats. Until then the former one stands in for it.
#[test]
fn a_former_life_stays_until_the_newer_one_is_live() {
    let mut fixture = Fixture::new();
    let readings = vec![fresh(7, 5, "old"), silent(fresh(7, 6, "new"))];
    assert_eq!(fixture.listed(readings), one(7, "old"));
}

#[test]
fn a_former_life_does_not_return_when_the_newer_one_ends_first() {
    let mut fixture = Fixture::new();
    let ghost = || with(fresh(7, 5, "old"), RecordReading::Known);
    let both = vec![fresh(7, 5, "old"), fresh(7, 6, "new")];
    assert_eq!(fixture.listed(both), one(7, "new"));
    let ended = silent(with(fresh(7, 6, "new"), RecordReading::Known));
    let view = fixture.update(vec![ghost(), ended]);
    assert!(view.peers.is_empty(), "the newer one was found dead first");
    assert_eq!(statuses(&view), [(7, 6, MemberStatus::Failed)]);
}

/// The node lost its data, and its clock went back.
#[test]
fn a_life_with_a_lower_generation_counts_after_sixty_intervals() {
    let mut fixture = Fixture::new();
    assert_eq!(
        fixture.listed(vec![fresh(7, 6, "higher")]),
        one(7, "higher")
    );
    let ended = || silent(with(fresh(7, 6, "higher"), RecordReading::Known));
    assert_eq!(fixture.listed(vec![ended(), fresh(7, 5, "lower")]), []);
    fixture.instant += Duration::from_secs(60);
    let lower = with(fresh(7, 5, "lower"), RecordReading::Known);
    assert_eq!(fixture.listed(vec![ended(), lower]), one(7, "lower"));
}

/// Another member with the id elsewhere is no newer life: the node is there as soon as the other one leaves.
#[test]
fn a_member_elsewhere_gives_the_id_back_when_it_leaves() {
    let mut fixture = Fixture::new();
    let elsewhere = |leaving, version| {
        let mut record = NodeRecord::from(PeerInfo::placeholder(7));
        record.leaving = leaving;
        record.info.overlay_ip = "elsewhere".into();
        let mut reading = raw(7, 6, version, record.encode());
        reading.id.gossip_advertise_addr = ([127, 0, 0, 2], 7946).into();
        reading
    };
    let both = vec![fresh(7, 5, "here"), elsewhere(false, 1)];
    assert_eq!(fixture.listed(both), one(7, "elsewhere"));
    let left = vec![fresh(7, 5, "here"), elsewhere(true, 2)];
    assert_eq!(fixture.listed(left), one(7, "here"));
}

#[test]
fn a_member_that_waits_for_an_id_does_not_hide_that_its_holder_has_failed() {
    let mut fixture = Fixture::new();
    let waiting = || {
        let mut reading = with(fresh(7, 6, ""), RecordReading::Absent);
        reading.id.gossip_advertise_addr = ([127, 0, 0, 2], 7946).into();
        reading
    };
    let view = fixture.update(vec![fresh(7, 5, "here"), waiting()]);
    assert_eq!(statuses(&view), [(7, 5, MemberStatus::Alive)]);
    let dead = silent(with(fresh(7, 5, "here"), RecordReading::Known));
    let view = fixture.update(vec![dead, waiting()]);
    assert_eq!(statuses(&view), [(7, 5, MemberStatus::Failed)]);
}

/// One that waited for the id and leaves has counted nothing, and its generation is the latest.
#[test]
fn a_member_that_leaves_does_not_replace_the_counters_of_the_one_that_stays() {
    let mut fixture = Fixture::new();
    let counting = |mut reading: MemberReading, hits| {
        let stats = PublishedStats {
            enabled_at_ms: 1,
            hits,
            misses: 0,
        };
        reading.stats = Some((1, stats.encode()));
        reading
    };
    let leaving = || {
        let mut record = NodeRecord::from(PeerInfo::placeholder(7));
        record.leaving = true;
        let mut reading = counting(raw(7, 6, 1, record.encode()), 0);
        reading.id.gossip_advertise_addr = ([127, 0, 0, 2], 7946).into();
        reading
    };
    let here = || counting(fresh(7, 5, "here"), 142);
    let hits = |view: ClusterView| view.stats.get(&7).map(|stats| stats.hits);
    assert_eq!(hits(fixture.update(vec![here(), leaving()])), Some(142));
    assert_eq!(
        hits(fixture.update(vec![here(), silent(leaving())])),
        Some(142)
    );
    // A life that leaves after one that was killed has counted on.
    let mut fixture = Fixture::new();
    let restarted = counting(leaving(), 150);
    assert_eq!(
        hits(fixture.update(vec![silent(here()), restarted])),
        Some(150)
    );
}

fn silent(mut reading: MemberReading) -> MemberReading {
    reading.is_live = false;
    reading
}

fn statuses(view: &ClusterView) -> Vec<(u64, u64, MemberStatus)> {
    let members = view.members.iter();
    members
        .map(|member| (member.node_id, member.generation, member.status))
        .collect()
}

#[test]
fn members_are_alive_leaving_left_or_failed() {
    let mut fixture = Fixture::new();
    let leaving = NodeRecord {
        leaving: true,
        policy: Some("0123456789ab".into()),
        ..PeerInfo::placeholder(3).into()
    };
    let leaving = || raw(3, 5, 1, leaving.encode());
    let readings = vec![fresh(4, 5, ""), leaving(), fresh(2, 5, "")];
    let (view, again_in) = fixture.update_and_wait(readings);
    let alive = [
        (2, 5, MemberStatus::Alive),
        (3, 5, MemberStatus::Leaving),
        (4, 5, MemberStatus::Alive),
    ];
    assert_eq!(statuses(&view), alive);
    assert_eq!(view.members[1].policy, None);
    assert_eq!(again_in, None);

    // Node 2 was restarted, node 4 is gone.
    let known = |reading| with(reading, RecordReading::Known);
    let readings = vec![
        silent(known(fresh(2, 5, ""))),
        fresh(2, 6, ""),
        silent(known(leaving())),
        silent(known(fresh(4, 5, ""))),
    ];
    let (view, again_in) = fixture.update_and_wait(readings);
    let left = [
        (2, 6, MemberStatus::Alive),
        (3, 5, MemberStatus::Left),
        (4, 5, MemberStatus::Failed),
    ];
    assert_eq!(statuses(&view), left);
    assert_eq!(view.members[1].policy, None);
    assert_eq!(view.peers.len(), 1);
    assert!(
        again_in.is_some(),
        "chitchat forgets dead members without a notification"
    );
}

#[test]
fn agents_with_another_policy_are_listed() {
    let mut fixture = Fixture::new();
    let mut version = 0;
    let mut with = |node_id, policy: Option<&str>| {
        version += 1;
        let record = NodeRecord {
            policy: policy.map(str::to_string),
            ..PeerInfo::placeholder(node_id).into()
        };
        raw(node_id, 5, version, record.encode())
    };
    let readings = vec![
        with(2, Some("0123456789ab")),
        with(3, Some("ba9876543210")),
        with(4, None),
    ];
    assert_eq!(fixture.update(readings).policy_mismatches, [3]);
    // The agent now has this node's policy.
    let readings = vec![with(3, Some("0123456789ab"))];
    assert!(fixture.update(readings).policy_mismatches.is_empty());
}

#[test]
fn a_member_that_was_never_live_is_listed_as_failed_only_later() {
    let mut fixture = Fixture::new();
    for _ in 0..2 {
        let (view, again_in) = fixture.update_and_wait(vec![silent(fresh(2, 5, ""))]);
        assert_eq!(statuses(&view), []);
        fixture.instant += again_in.unwrap();
    }
    let view = fixture.update(vec![silent(fresh(2, 5, ""))]);
    assert_eq!(statuses(&view), [(2, 5, MemberStatus::Failed)]);
}
