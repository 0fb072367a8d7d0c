//! Messages that end chitchat: each test shows that they do, and that they are rejected.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::time::Duration;

use chitchat::{ChitchatHandle, KeyChangeEvent, spawn_chitchat};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::super::*;
use super::bounds::assert_cut;
use super::cluster::{self, AnyPort, LOOPBACK, config};
use super::wire::{self, Entry, Op};
use super::{CLUSTER, PEER, own, states, validator};

/// Time after which a test fails.
const DEADLINE: Duration = Duration::from_secs(20);
/// Default of `PROPTEST_RNG_SEED`, so that all runs are alike.
const SEED: u64 = 20_260_101;

/// A chitchat server without a validator, and a socket that can reach it.
struct Victim {
    handle: ChitchatHandle,
    id: ChitchatId,
    attacker: UdpSocket,
}

impl Victim {
    async fn new(version: ProtocolVersion) -> Self {
        let id = own();
        let mut config = config(&id, version);
        config.gossip_interval = Duration::from_secs(3600);
        let transport = AnyPort::default();
        let first = vec![("key".into(), "ours".into())];
        let handle = spawn_chitchat(config, first, &transport).await.unwrap();
        let attacker = UdpSocket::bind(LOOPBACK).await.unwrap();
        attacker.connect(transport.bound()).await.unwrap();
        Self {
            handle,
            id,
            attacker,
        }
    }

    async fn send(&self, message: &[u8]) {
        self.attacker.send(message).await.unwrap();
    }

    /// Introduces another member, and waits until it is known.
    async fn introduce(&self, entry: &Entry) {
        self.send(&wire::syn(0, std::slice::from_ref(entry), CLUSTER))
            .await;
        let mut answer = vec![0; 65_507];
        let answered = timeout(DEADLINE, self.attacker.recv(&mut answer)).await;
        assert!(answered.unwrap().unwrap() > 4);
    }

    async fn dies(&self) {
        let end = timeout(DEADLINE, self.handle.termination_watcher()).await;
        assert!(end.expect("chitchat survived").is_err());
    }

    fn checks(&self, version: ProtocolVersion) -> MessageValidator {
        MessageValidator::new(&self.id, CLUSTER, version, states())
    }
}

#[tokio::test]
async fn a_falling_version_ends_chitchat_and_is_rejected() {
    let victim = Victim::new(ProtocolVersion::V0).await;
    let other = wire::entry(2);
    victim.introduce(&other).await;
    let message = wire::ack(&[
        Op::Member(&other.id, 0, 0),
        Op::Set("key", "value", 10, 0),
        Op::MaxVersion(5),
    ]);
    assert!(message.len() < 100, "{}", message.len());
    let mut checks = victim.checks(ProtocolVersion::V0);
    assert_eq!(checks.check(PEER, &message), Err(DropReason::BadVersion));
    victim.send(&message).await;
    victim.dies().await;
}

#[tokio::test]
async fn a_key_of_multi_byte_characters_ends_chitchat_and_is_rejected() {
    let victim = Victim::new(ProtocolVersion::V0).await;
    let other = wire::entry(2);
    victim.introduce(&other).await;
    let message = wire::ack(&[Op::Member(&other.id, 0, 0), Op::Set("\u{e9}", "", 1, 0)]);
    let mut checks = victim.checks(ProtocolVersion::V0);
    assert_eq!(checks.check(PEER, &message), Err(DropReason::BadKey));
    victim.send(&message).await;
    victim.dies().await;
}

#[tokio::test]
async fn a_state_of_this_member_overwrites_it_and_is_rejected() {
    let victim = Victim::new(ProtocolVersion::V0).await;
    let message = wire::ack(&[
        Op::Member(&victim.id, 0, 0),
        Op::Set("key", "theirs", u64::MAX, 0),
    ]);
    let mut checks = victim.checks(ProtocolVersion::V0);
    assert_eq!(checks.check(PEER, &message), Err(DropReason::BadVersion));
    let moderate = wire::ack(&[
        Op::Member(&victim.id, 0, 0),
        Op::Set("key", "theirs", 1_000, 0),
    ]);
    assert_eq!(checks.check(PEER, &moderate), Err(DropReason::AboutSelf));

    let chitchat = victim.handle.chitchat();
    let (seen, mut sees) = tokio::sync::mpsc::unbounded_channel();
    chitchat
        .lock()
        .await
        .subscribe_event("key", move |event: KeyChangeEvent<'_>| {
            let _ = seen.send(event.value.to_owned());
        })
        .forever();
    victim.send(&message).await;
    let value = timeout(DEADLINE, sees.recv()).await.unwrap().unwrap();
    assert_eq!(value, "theirs");
    let sets = tokio::spawn(async move {
        chitchat.lock().await.self_node_state().set("key", "ours");
    });
    assert!(sets.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn invented_members_end_chitchat_and_are_left_out() {
    let members = wire::entries(100_000..101_500);
    let messages: Vec<_> = members
        .chunks(750)
        .map(|part| wire::syn(0, part, CLUSTER))
        .collect();
    let unchecked = Victim::new(ProtocolVersion::V0).await;
    for message in &messages {
        unchecked.send(message).await;
    }
    unchecked.dies().await;

    let checked = Victim::new(ProtocolVersion::V0).await;
    let mut checks = checked.checks(ProtocolVersion::V0);
    let mut cuts = 0;
    for message in &messages {
        checks.check(PEER, message).unwrap();
        let rewritten = checks.take_rewritten();
        checked.send(rewritten.as_ref().unwrap_or(message)).await;
        cuts += usize::from(rewritten.is_some());
    }
    assert_eq!(cuts, 1);
    checked.introduce(&members[0]).await;
}

/// Only names are long here: no digest is too large.
#[tokio::test]
async fn a_long_name_ends_chitchat_with_compressed_digests_and_is_rejected() {
    let victim = Victim::new(ProtocolVersion::V1).await;
    let mut entry = wire::entry(2);
    entry.id.node_id = "n".repeat(65_530).into();
    let message = wire::syn(1, &[entry], CLUSTER);
    assert!(message.len() < 200, "{}", message.len());
    let mut checks = victim.checks(ProtocolVersion::V1);
    assert_eq!(checks.check(PEER, &message), Err(DropReason::LongName));
    victim.send(&message).await;
    victim.dies().await;
}

/// The worst content of 60 KB inflates to 130 MB, of which chitchat makes 1 GB.
#[test]
fn compression_bombs_are_rejected_before_they_inflate() {
    let zeros = zstd::bulk::compress(&[0; 65_535], 0).unwrap();
    let blocks = vec![wire::raw_block(1, &zeros); 65_000 / (zeros.len() + 3)];
    let message = wire::ack_with_blocks(&blocks);
    assert!(message.len() <= 65_507, "{}", message.len());
    assert!(validator().check(PEER, &message).is_err());

    // A bomb of valid values.
    let other = wire::member(2);
    let value = "v".repeat(59_000);
    let mut ops = vec![Op::Member(&other, 0, 0)];
    ops.extend((1..1_000).map(|version| Op::Set("key", &value, version, 0)));
    let message = wire::ack(&ops);
    assert!(message.len() <= 500_000, "{}", message.len());
    let mut bombed = validator();
    let result = bombed.check(PEER, &message);
    assert_cut(&mut bombed, result, MessageKind::Ack);

    let mut digest = vec![0x53, 0xb0, 1, 0];
    let name = [&256_u16.to_le_bytes()[..], &[b'n'; 256]].concat();
    let member = [name, vec![0; 8], vec![4, 10, 0, 0, 1, 0, 1], vec![0; 24]].concat();
    digest.extend(wire::stream(&member.repeat(20_000)));
    digest.extend([0, 0]);
    assert!(digest.len() < 65_507, "{}", digest.len());
    assert_eq!(
        validator().check(PEER, &digest),
        Err(DropReason::TooManyMembers)
    );
}

/// chitchat must decode each message that passes: the relay waits for it.
#[tokio::test]
async fn chitchat_decodes_every_message_that_passes() {
    use chitchat::transport::{Socket, UdpSocket as ChitchatSocket};

    let mut reader = ChitchatSocket::open(LOOPBACK).await.unwrap();
    let writer = UdpSocket::bind(LOOPBACK).await.unwrap();
    writer.connect(reader.local_addr().unwrap()).await.unwrap();
    let messages = cluster::samples();
    let seed = SEED;
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut passed = 0;
    let mut reasons = BTreeSet::new();
    for _ in 0..20_000 {
        let message = mutated(&messages, &mut rng);
        match validator().check(PEER, &message) {
            Ok(_) => {
                writer.send(&message).await.unwrap();
                let read = timeout(DEADLINE, reader.recv()).await;
                let size = read.expect("chitchat cannot read it").unwrap();
                assert_eq!(size.num_bytes_received, message.len());
                passed += 1;
            }
            Err(reason) => {
                reasons.insert(<&str>::from(reason));
            }
        }
    }
    println!("{passed} passed, refused as {reasons:?}");
    assert!(passed > 500, "{passed}");
    assert!(reasons.len() > 6, "{reasons:?}");
}

/// Returns a sample with a few changes. Streams are changed before compression, because zstd detects
/// nearly every later change.
fn mutated(messages: &[cluster::Sample], rng: &mut fastrand::Rng) -> Vec<u8> {
    let sample = rng.choice(messages).unwrap();
    let mut plain = sample.plain.clone();
    for _ in 0..rng.usize(0..4) {
        if plain.is_empty() {
            break;
        }
        let place = rng.usize(0..plain.len());
        match rng.u8(0..4) {
            0 => plain[place] ^= 1 << rng.u8(0..8),
            1 => plain[place] = rng.u8(..),
            2 => drop(plain.drain(place..(place + rng.usize(0..9)).min(plain.len()))),
            _ => plain.truncate(place),
        }
    }
    let mut message = (sample.pack)(&plain);
    if rng.u8(0..4) == 0 && !message.is_empty() {
        let place = rng.usize(0..message.len());
        message[place] = rng.u8(..);
    }
    message
}

/// Configures a repeatable run with this number of cases.
fn runs(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    println!("PROPTEST_RNG_SEED={} repeats this run", config.rng_seed);
    config
}

proptest! {
    #![proptest_config(runs(300))]

    #[test]
    fn random_bytes_never_panic(
        version in 0_u8..3,
        kind in 0_u8..5,
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut validator = validator();
        let _ = validator.check(PEER, &body);
        let message = [&[0x53, 0xb0, version, kind], body.as_slice()].concat();
        let _ = validator.check(PEER, &message);
        let _ = validator.sent(PEER, &message);
        // The bytes as operations, and as members of a digest.
        let _ = validator.check(PEER, &wire::ack_of(&body));
        let digest = [&[0x53, 0xb0, 1, 0], wire::stream(&body).as_slice(), &[0, 0]].concat();
        let _ = validator.check(PEER, &digest);
    }
}

proptest! {
    #![proptest_config(runs(60))]

    #[test]
    fn any_order_of_messages_keeps_the_digest_budget(
        steps in prop::collection::vec((any::<bool>(), 0_usize..3_000, 0_usize..900), 1..12)
    ) {
        let own = own();
        let mut own_entry = wire::entry(1);
        own_entry.id = own.clone();
        for version in [ProtocolVersion::V0, ProtocolVersion::V1] {
            let mut validator = MessageValidator::new(&own, CLUSTER, version, states());
            let code = version.to_code();
            // The members that chitchat would know if it never forgot any.
            let mut known = BTreeMap::from([(own.clone(), own_entry.clone())]);
            for (answers, from, count) in &steps {
                let entries = wire::entries(*from..from + count);
                let message = if *answers {
                    wire::syn_ack(code, &entries, &[])
                } else {
                    wire::syn(code, &entries, CLUSTER)
                };
                let Ok(kind) = validator.check(PEER, &message) else {
                    continue;
                };
                let message = validator.take_rewritten().unwrap_or(message);
                let digest = validator.read(&message).unwrap().digest.unwrap();
                let taken: MemberSet = digest.members.iter().map(|it| it.hash).collect();
                for entry in entries {
                    let id = entry.id.serialize_to_vec();
                    if taken.contains(&validator.hashes.hash_one(id.as_slice())) {
                        known.insert(entry.id.clone(), entry);
                    }
                }
                let digest: Vec<_> = known.values().cloned().collect();
                let bytes = wire::digest(code, &digest).len();
                let limit = match kind {
                    MessageKind::Syn => 65_403,
                    _ => 65_373,
                };
                prop_assert!(bytes <= limit, "{bytes} bytes after {kind:?}");
                if bytes.is_multiple_of(2) {
                    let syn = wire::syn(code, &digest, CLUSTER);
                    prop_assert!(validator.sent(PEER, &syn).is_ok());
                }
            }
        }
    }
}
