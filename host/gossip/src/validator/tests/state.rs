//! The memory of all members' states is bounded, and one member does not hold up another.

use std::ops::Range;

use chitchat::{Chitchat, ChitchatHandle, spawn_chitchat};
use tokio::net::UdpSocket;

use super::super::*;
use super::cluster::{AnyPort, LOOPBACK, config};
use super::wire::{self, Op};
use super::{CLUSTER, PEER, own};

/// Room for a few large values.
const LIMIT: usize = 4 * 1024 * 1024;
const VALUE_BYTES: usize = 60_000;

/// A server behind a validator.
pub(super) struct Member {
    pub(super) handle: ChitchatHandle,
    pub(super) validator: MessageValidator,
    states: Arc<StateBudget>,
    pub(super) socket: UdpSocket,
}

impl Member {
    pub(super) async fn new(limit: usize, version: ProtocolVersion) -> Self {
        let states = Arc::new(StateBudget::new(limit));
        let mut config = config(&own(), version);
        config.gossip_interval = std::time::Duration::from_secs(3600);
        let transport = AnyPort::default();
        let handle = spawn_chitchat(config, Vec::new(), &transport)
            .await
            .unwrap();
        let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
        socket.connect(transport.bound()).await.unwrap();
        Self {
            handle,
            validator: MessageValidator::new(&own(), CLUSTER, version, Arc::clone(&states)),
            states,
            socket,
        }
    }

    /// Sends a message if it is valid, and waits until it is read.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), DropReason> {
        self.validator.check(PEER, message)?;
        let rewritten = self.validator.take_rewritten();
        let message = rewritten.as_deref().unwrap_or(message);
        self.socket.send(message).await.unwrap();
        // The answer to a question comes after it.
        self.socket.send(&wire::syn(0, &[], CLUSTER)).await.unwrap();
        let mut answer = vec![0; 65_507];
        loop {
            let bytes = self.socket.recv(&mut answer).await.unwrap();
            if answer[..bytes].starts_with(&[0x53, 0xb0, 0, 1]) {
                return Ok(());
            }
        }
    }

    pub(super) async fn measure(&self) {
        self.handle
            .with_chitchat(|chitchat: &mut Chitchat| self.states.measure(chitchat))
            .await;
    }

    pub(super) async fn introduce(&mut self, number: usize) {
        self.hear(wire::entry(number)).await;
    }

    async fn hear(&mut self, entry: wire::Entry) {
        let question = wire::syn(0, &[entry], CLUSTER);
        self.send(&question).await.unwrap();
        let mut answer = vec![0; 65_507];
        self.socket.recv(&mut answer).await.unwrap();
    }

    /// Adds a value to a member. Returns whether it is stored.
    async fn add(&mut self, number: usize, bytes: usize) -> bool {
        let (keys, version) = self.stored(number).await;
        let (key, value) = ((version + 1).to_string(), "v".repeat(bytes));
        let id = wire::member(number);
        let ops = [
            Op::Member(&id, 0, version),
            Op::Set(&key, &value, version + 1, 0),
        ];
        if self.send(&wire::ack(&ops)).await.is_err() {
            self.measure().await;
            self.send(&wire::ack(&ops)).await.unwrap();
        }
        assert_eq!(self.stored(number).await.1, version + 1);
        self.stored(number).await.0 > keys
    }

    /// Returns the number of keys that a member has here, and its highest version.
    async fn stored(&self, number: usize) -> (usize, u64) {
        let id = wire::member(number);
        self.handle
            .with_chitchat(|chitchat: &mut Chitchat| {
                let state = chitchat.node_state(&id).unwrap();
                (state.num_key_values(), state.max_version())
            })
            .await
    }
}

fn large(number: usize, key: &str, version: u64) -> Vec<u8> {
    let value = "v".repeat(VALUE_BYTES);
    wire::ack(&[
        Op::Member(&wire::member(number), 0, version - 1),
        Op::Set(key, &value, version, 0),
    ])
}

#[tokio::test]
async fn all_members_together_are_bounded_and_small_ones_go_on() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    for number in [2, 3] {
        member.introduce(number).await;
    }
    member.measure().await;
    // One member writes without end. It is measured again and again, and is full by that.
    for version in 1..200 {
        let key = format!("key {version}");
        if member.send(&large(2, &key, version)).await.is_err() {
            member.measure().await;
            member.send(&large(2, &key, version)).await.unwrap();
        }
        assert!(member.states.total() <= LIMIT, "{}", member.states.total());
    }
    let (keys, version) = member.stored(2).await;
    // Its versions count on: peers do not send the same again.
    assert_eq!(version, 199);
    assert!((10..40).contains(&keys), "{keys}");
    member.measure().await;
    assert!(member.states.total() <= LIMIT);

    // Another one is heard nevertheless, also in one message with the first.
    let value = "v".repeat(VALUE_BYTES);
    let together = wire::ack(&[
        Op::Member(&wire::member(2), 0, 199),
        Op::Set("more", &value, 200, 0),
        Op::Member(&wire::member(3), 0, 0),
        Op::Set("worker:3", "labels", 1, 0),
        Op::Set("other", "value", 2, 0),
    ]);
    member.send(&together).await.unwrap();
    assert_eq!(member.stored(3).await, (2, 2));
    assert_eq!(member.stored(2).await, (keys, 200));
    // Its share has room for a large value, too.
    member.send(&large(3, "large", 3)).await.unwrap();
    assert_eq!(member.stored(3).await, (3, 3));
}

#[tokio::test]
async fn replaced_values_fill_nothing() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    member.introduce(2).await;
    member.measure().await;
    let mut refused = 0;
    for version in 1..300 {
        let message = large(2, "key", version);
        if let Err(reason) = member.send(&message).await {
            assert_eq!(reason, DropReason::StateFull);
            refused += 1;
            member.measure().await;
            member.send(&message).await.unwrap();
        }
        let stored = member.handle.with_chitchat(|chitchat| {
            let state = chitchat.node_state(&wire::member(2)).unwrap();
            state.get("key").map(str::len)
        });
        assert_eq!(stored.await, Some(VALUE_BYTES));
    }
    assert!((5..50).contains(&refused), "{refused}");
}

/// A peer that was restarted gets the same values from many: all are counted, and few are stored.
#[tokio::test]
async fn a_measurement_comes_long_before_what_was_counted_fills_the_limit() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    member.introduce(2).await;
    let states = Arc::clone(&member.states);
    let is_asked = async || {
        let asked = states.outdated.notified();
        tokio::time::timeout(std::time::Duration::ZERO, asked)
            .await
            .is_ok()
    };
    member.send(&large(2, "key", 1)).await.unwrap();
    assert!(is_asked().await, "member 2 is not measured yet");
    member.measure().await;
    for expected in [false, false, true] {
        member.send(&large(2, "key", 2)).await.unwrap();
        assert_eq!(is_asked().await, expected);
    }
    assert!(member.states.total() < LIMIT / 4);
}

/// Deltas about unknown members are neither stored nor counted.
#[tokio::test]
async fn unknown_members_take_no_memory() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    member.measure().await;
    let before = member.states.total();
    for number in 10..200 {
        member.send(&large(number, "key", 1)).await.unwrap();
    }
    assert_eq!(member.states.total(), before);
}

#[tokio::test]
async fn invented_members_take_neither_memory_nor_the_room_of_others() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    member.introduce(2).await;
    member.measure().await;
    let remembered = member.states.members();
    for first in (100..30_100).step_by(1_000) {
        let ids: Vec<_> = (first..first + 1_000).map(wire::member).collect();
        let ops: Vec<_> = ids.iter().map(|id| Op::Member(id, 0, 0)).collect();
        // Whether they are admitted does not matter.
        let _ = member.send(&wire::ack(&ops)).await;
    }
    for number in 100..200 {
        let _ = member.send(&large(number, "key", 1)).await;
    }
    assert_eq!(member.states.members(), remembered);
    member.send(&large(2, "key", 1)).await.unwrap();
    assert_eq!(member.stored(2).await, (1, 1));
}

/// Sends large values at low versions, and checks that the memory stays bounded between two measurements.
async fn fill(member: &mut Member, versions: Range<u64>) {
    for version in versions {
        let _ = member.send(&large(2, &version.to_string(), version)).await;
    }
    member.measure().await;
    assert!(member.states.total() <= LIMIT, "{}", member.states.total());
}

#[tokio::test]
async fn a_delta_from_the_future_makes_no_room() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    member.introduce(2).await;
    member.measure().await;
    member.send(&large(2, "key", 1_000_000)).await.unwrap();
    assert_eq!(member.stored(2).await, (0, 0));
    fill(&mut member, 1..100).await;
}

#[tokio::test]
async fn a_member_named_before_it_is_known_gets_no_room() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    member.send(&large(2, "key", 1_000_000)).await.unwrap();
    member.introduce(2).await;
    fill(&mut member, 1..100).await;
}

#[tokio::test]
async fn a_reset_counts_all_its_values() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    member.introduce(2).await;
    let id = wire::member(2);
    let newest = [Op::Member(&id, 0, 0), Op::Set("key", "value", 1_000_000, 0)];
    member.send(&wire::ack(&newest)).await.unwrap();
    member.measure().await;
    let reset = [Op::Member(&id, 1_000_001, 0), Op::Set("key", "value", 1, 0)];
    member.send(&wire::ack(&reset)).await.unwrap();
    assert_eq!(member.stored(2).await, (1, 1));
    fill(&mut member, 2..100).await;
}

#[tokio::test]
async fn a_member_that_comes_back_counts_all_its_values() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    member.introduce(2).await;
    fill(&mut member, 1..100).await;
    // It may have been forgotten since the measurement.
    let total = member.states.total();
    let small = [
        Op::Member(&wire::member(2), 0, 0),
        Op::Set("1", "value", 1, 0),
    ];
    member.send(&wire::ack(&small)).await.unwrap();
    assert!(member.states.total() > total);
}

/// Each newcomer takes what it can. An equal share at the time of its coming would add up without end.
#[tokio::test]
async fn members_that_come_one_by_one_stay_within_the_limit() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    for number in 2..40 {
        member.introduce(number).await;
        member.measure().await;
        while member.add(number, 5_000).await {}
        member.measure().await;
        assert!(member.states.total() <= LIMIT, "{}", member.states.total());
    }
    // Nothing is left that all have in common.
    for bytes in [500, 1] {
        while member.add(2, bytes).await || member.add(3, bytes).await {}
    }
    // A small value of one more is heard nevertheless.
    member.introduce(100).await;
    member.measure().await;
    assert!(member.add(100, 6).await);
    assert!(!member.add(100, 500).await);
}

#[tokio::test]
async fn a_state_has_arrived_at_the_version_that_was_heard_of_first() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    for max_version in [2, 9] {
        let heard = wire::Entry {
            max_version,
            ..wire::entry(2)
        };
        member.hear(heard).await;
    }
    for has_arrived in [false, true, true] {
        assert!(member.add(2, 6).await);
        let states = Arc::clone(&member.states);
        let arrived = member.handle.with_chitchat(move |chitchat| {
            let state = chitchat.node_state(&wire::member(2)).unwrap();
            states.has_arrived(state)
        });
        assert_eq!(arrived.await, has_arrived);
    }
}

#[test]
fn compressed_streams_are_read_as_they_were_written() {
    for bytes in [0, 1, 16_384, 16_385, 300_000] {
        let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
            .take(bytes)
            .collect();
        for content in [vec![7; bytes], random] {
            let stream = deflate(&content).unwrap();
            // No block takes more than its content and its header.
            let blocks = bytes.div_ceil(16_384);
            assert!(stream.len() <= bytes + 3 * blocks + 1, "{bytes}");
            if content.iter().all(|byte| *byte == 7) {
                assert!(stream.len() <= 50 * blocks + 2, "{bytes}");
            }
            let mut inflater = Inflater::default();
            inflater.begin_message();
            let mut rest = Bytes(&stream);
            assert_eq!(inflater.inflate(&mut rest).unwrap(), content);
            assert!(rest.0.is_empty());
        }
    }
}
