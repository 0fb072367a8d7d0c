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
        assert!(!validator.was_cut);
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
    std::iter::repeat_with(|| fastrand::alphanumeric())
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
