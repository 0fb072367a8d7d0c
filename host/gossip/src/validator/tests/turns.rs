//! A member that writes large values, or without end, does not hold up another one.

use std::hash::BuildHasher;

use super::super::*;
use super::state::Member;
use super::wire::{self, Entry, Op};
use super::{PEER, own};

const ROOM: usize = 1 << 30;
/// The member whose values must arrive.
const LIGHT: usize = 100;

/// A member, and a peer of it that knows some values of the others.
struct Pair {
    member: Member,
    known: Vec<Entry>,
    /// Newest version of each other member.
    written: Vec<u64>,
    version: u8,
}

impl Pair {
    async fn new(version: ProtocolVersion, others: &[usize]) -> Self {
        let mut member = Member::new(ROOM, version).await;
        for number in others {
            member.introduce(*number).await;
        }
        member.measure().await;
        let known = others.iter().map(|number| Entry {
            max_version: 0,
            ..wire::entry(*number)
        });
        Self {
            member,
            known: known.collect(),
            written: vec![0; others.len()],
            version: version.to_code(),
        }
    }

    /// Writes values of the other member at this place.
    async fn write(&mut self, place: usize, keys: &[String], value: &str) {
        for keys in keys.chunks((60_000 / value.len()).max(1)) {
            let id = &self.known[place].id;
            let mut ops = vec![Op::Member(id, 0, self.written[place])];
            for key in keys {
                self.written[place] += 1;
                ops.push(Op::Set(key, value, self.written[place], 0));
            }
            self.member.send(&wire::ack(&ops)).await.unwrap();
        }
    }

    /// Has the peer ask, and note what it hears. Returns the number of members in the answer.
    async fn ask(&mut self) -> usize {
        let mut known = self.known.clone();
        known.push(Entry {
            id: own(),
            heartbeat: 0,
            max_version: 1,
        });
        let question = wire::syn(self.version, &known, super::CLUSTER);
        let Member {
            validator, socket, ..
        } = &mut self.member;
        validator.check(PEER, &question).unwrap();
        let rewritten = validator.take_rewritten();
        assert_eq!(validator.cuts, []);
        socket
            .send(rewritten.as_deref().unwrap_or(&question))
            .await
            .unwrap();
        let mut answer = vec![0; 65_507];
        let bytes = socket.recv(&mut answer).await.unwrap();
        validator.sent(PEER, &answer[..bytes]).unwrap();
        let delta = validator.read(&answer[..bytes]).unwrap().delta;
        for update in &delta.updates {
            let hash = |it: &Entry| {
                validator
                    .hashes
                    .hash_one(it.id.serialize_to_vec().as_slice())
            };
            let heard = self.known.iter_mut().find(|it| hash(it) == update.member);
            let heard = heard.unwrap();
            heard.max_version = heard.max_version.max(update.max_version);
        }
        delta.updates.len()
    }

    fn is_known(&self, place: usize) -> bool {
        self.known[place].max_version == self.written[place]
    }
}

fn keys(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|key| format!("{prefix} {key}")).collect()
}

fn noise(bytes: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(bytes)
        .collect()
}

/// Writes values in front of a light member's, again and again, and expects that one soon.
async fn expect_heard(version: ProtocolVersion, heavy: usize, count: usize, value: &str) {
    let others: Vec<_> = (0..heavy).chain([LIGHT]).map(|it| it + 2).collect();
    let mut pair = Pair::new(version, &others).await;
    for place in 0..heavy {
        pair.write(place, &keys("first", 3 * count), value).await;
    }
    for round in 0..5 {
        pair.write(heavy, &keys("label", 1), "small").await;
        let mut asked = 0;
        while !pair.is_known(heavy) {
            // They never stop.
            for place in 0..heavy {
                pair.write(place, &keys(&format!("{round} {asked}"), count), value)
                    .await;
            }
            pair.ask().await;
            asked += 1;
            assert!(
                asked <= 2 * heavy + 2,
                "{heavy} x {count} x {}",
                value.len()
            );
        }
    }
}

#[tokio::test]
async fn large_values_do_not_hold_up_others() {
    for version in [ProtocolVersion::V0, ProtocolVersion::V1] {
        let compressible = "v".repeat(60_000);
        expect_heard(version, 1, 2, &compressible).await;
        // Not even the first fits beside a digest.
        expect_heard(version, 1, 2, &noise(65_400)).await;
        expect_heard(version, 1, 4, &noise(30_000)).await;
    }
}

#[tokio::test]
async fn many_keys_and_many_writers_do_not_hold_up_others() {
    for version in [ProtocolVersion::V0, ProtocolVersion::V1] {
        expect_heard(version, 1, 80, &noise(1_000)).await;
        expect_heard(version, 4, 4, &noise(20_000)).await;
    }
}

/// Those that write without end have turns as well.
#[tokio::test]
async fn all_writers_have_turns() {
    let mut pair = Pair::new(ProtocolVersion::V0, &[2, 3, 4]).await;
    for place in 0..3 {
        pair.write(place, &keys("key", 10 + 10 * place), &noise(60_000))
            .await;
    }
    for _ in 0..18 {
        pair.ask().await;
    }
    let heard: Vec<_> = pair.known.iter().map(|it| it.max_version).collect();
    assert!(heard.iter().all(|it| (4..=8).contains(it)), "{heard:?}");
}

/// Others that have something new all the time do not end the turns of a large one.
#[tokio::test]
async fn a_large_one_has_turns_among_busy_ones() {
    let mut pair = Pair::new(ProtocolVersion::V0, &[2, 3]).await;
    pair.write(0, &keys("key", 20), &noise(60_000)).await;
    for _ in 0..20 {
        pair.write(1, &keys("label", 1), "small").await;
        pair.ask().await;
    }
    assert!(
        pair.known[0].max_version >= 8,
        "{}",
        pair.known[0].max_version
    );
}

/// The turns cost nothing where nobody else has anything to say.
#[tokio::test]
async fn a_member_alone_does_not_wait() {
    for version in [ProtocolVersion::V0, ProtocolVersion::V1] {
        let mut pair = Pair::new(version, &[2, 3]).await;
        pair.write(1, &keys("key", 1), "small").await;
        pair.ask().await;
        assert!(pair.is_known(1));
        pair.write(0, &keys("key", 20), &noise(60_000)).await;
        let mut asked = 0;
        while !pair.is_known(0) {
            assert_eq!(pair.ask().await, 1);
            asked += 1;
        }
        assert_eq!(asked, 20);
    }
}

#[test]
fn turns_for_many_peers_fill_no_memory() {
    let mut validator = super::validator();
    let id = wire::member(2);
    let large = "v".repeat(60_000);
    let message = wire::ack(&[Op::Member(&id, 0, 0), Op::Set("key", &large, 1, 0)]);
    for port in 1..2_000 {
        validator
            .sent((own().gossip_advertise_addr.ip(), port).into(), &message)
            .unwrap();
    }
    assert_eq!(validator.turns.peers(), 256);
}

/// Returns a validator that has sent a large delta about another member, and its own version 5.
fn waiting(version: ProtocolVersion) -> (MessageValidator, Entry, Entry) {
    let states = super::states();
    let mut validator = MessageValidator::new(&own(), super::CLUSTER, version, states);
    let entry = |id, max_version| Entry {
        id,
        heartbeat: 1,
        max_version,
    };
    let (this, other) = (entry(own(), 5), entry(wire::member(2), 3));
    let large = "v".repeat(60_000);
    let answer = wire::syn_ack(
        version.to_code(),
        &[this.clone(), other.clone()],
        &[Op::Member(&other.id, 0, 0), Op::Set("key", &large, 3, 0)],
    );
    validator.sent(PEER, &answer).unwrap();
    let behind = Entry {
        max_version: 4,
        ..this
    };
    (validator, behind, other)
}

#[test]
fn the_own_values_are_not_held_up_either() {
    for version in [ProtocolVersion::V0, ProtocolVersion::V1] {
        let (mut validator, behind, other) = waiting(version);
        let code = version.to_code();
        let question = wire::syn(code, &[behind.clone(), other.clone()], super::CLUSTER);
        validator.check(PEER, &question).unwrap();
        let rewritten = validator.take_rewritten().unwrap();
        let digest = validator.read(&rewritten).unwrap().digest.unwrap();
        let versions: Vec<_> = digest.members.iter().map(|it| it.max_version).collect();
        assert_eq!(versions, [4, u64::MAX]);
        // The turns are for this peer only, and only while it lacks something else.
        let elsewhere = own().gossip_advertise_addr;
        validator.check(elsewhere, &question).unwrap();
        assert_eq!(validator.take_rewritten(), None);
        let known = Entry {
            max_version: 5,
            ..behind
        };
        let question = wire::syn(code, &[known, other], super::CLUSTER);
        validator.check(PEER, &question).unwrap();
        assert_eq!(validator.take_rewritten(), None);
    }
}

#[test]
fn a_small_delta_ends_the_round() {
    for (bytes, waits) in [(16 * 1024 - 1, false), (16 * 1024, true)] {
        let (mut validator, behind, other) = waiting(ProtocolVersion::V0);
        let head = [Op::Member(&other.id, 0, 0), Op::Set("key", "", 4, 0)];
        let value = "v".repeat(bytes - wire::ops_bytes(&head).len());
        let delta = [Op::Member(&other.id, 0, 0), Op::Set("key", &value, 4, 0)];
        validator.sent(PEER, &wire::ack(&delta)).unwrap();
        let question = wire::syn(0, &[behind, other.clone()], super::CLUSTER);
        validator.check(PEER, &question).unwrap();
        assert_eq!(validator.take_rewritten().is_some(), waits, "{bytes} bytes");
    }
}

#[test]
fn a_changed_message_still_fits_a_datagram() {
    let (mut validator, behind, other) = waiting(ProtocolVersion::V1);
    let head = wire::syn_ack(
        1,
        &[
            behind,
            Entry {
                max_version: 0,
                ..other.clone()
            },
        ],
        &[],
    );
    let room = 65_507 - head.len();
    let value = noise(room - 200);
    let ops = wire::ops_bytes(&[Op::Member(&other.id, 0, 0), Op::Set("key", &value, 3, 0)]);
    for free in [0, 100] {
        // The last byte ends the empty delta.
        let mut message = head[..head.len() - 1].to_vec();
        let pad = 65_507 - free - message.len() - ops.len() - 1 - 4 * 3 - 15;
        let padding = noise(pad);
        let more = wire::ops_bytes(&[Op::Set("k", &padding, 4, 0)]);
        for block in [ops.as_slice(), more.as_slice()].concat().chunks(16_384) {
            message.extend(wire::raw_block(2, block));
        }
        message.push(0);
        assert_eq!(message.len(), 65_507 - free);
        validator.check(PEER, &message).unwrap();
        let rewritten = validator.take_rewritten();
        assert_eq!(rewritten.is_some(), free > 0, "{} bytes", message.len());
        assert!(rewritten.is_none_or(|it| it.len() <= 65_507));
    }
}
