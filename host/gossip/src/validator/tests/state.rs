//! The memory of all members' states is bounded, and one member does not hold up another.

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

    async fn measure(&self) {
        self.handle
            .with_chitchat(|chitchat: &mut Chitchat| self.states.measure(chitchat))
            .await;
    }

    pub(super) async fn introduce(&mut self, number: usize) {
        let members = [wire::entry(number)];
        self.send(&wire::syn(0, &members, CLUSTER)).await.unwrap();
        let mut answer = vec![0; 65_507];
        self.socket.recv(&mut answer).await.unwrap();
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
async fn replaced_values_and_repeated_messages_fill_nothing() {
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
        // The same message again counts nothing.
        let total = member.states.total();
        member.send(&message).await.unwrap();
        assert_eq!(member.states.total(), total);
        let stored = member.handle.with_chitchat(|chitchat| {
            let state = chitchat.node_state(&wire::member(2)).unwrap();
            state.get("key").map(str::len)
        });
        assert_eq!(stored.await, Some(VALUE_BYTES));
    }
    assert!((5..50).contains(&refused), "{refused}");
}

/// Deltas about unknown members are counted, but not stored.
#[tokio::test]
async fn unknown_members_are_forgotten_by_the_next_measurement() {
    let mut member = Member::new(LIMIT, ProtocolVersion::V0).await;
    let mut number = 10;
    while member.send(&large(number, "key", 1)).await.is_ok() {
        number += 1;
    }
    assert!(member.states.total() > LIMIT / 4);
    member.measure().await;
    assert!(member.states.total() < 10_000);
    member.send(&large(number, "key", 1)).await.unwrap();
}

#[test]
fn compressed_streams_are_read_as_they_were_written() {
    for bytes in [0, 1, 16_384, 16_385, 300_000] {
        let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
            .take(bytes)
            .collect();
        for content in [vec![7; bytes], random] {
            let stream = deflate(&content).unwrap();
            let mut inflater = Inflater::default();
            inflater.begin_message();
            let mut rest = Bytes(&stream);
            assert_eq!(inflater.inflate(&mut rest).unwrap(), content);
            assert!(rest.0.is_empty());
        }
    }
}
