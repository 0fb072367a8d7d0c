use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::reassembly::{FRAGMENTS_MAX, FRAGMENTS_PER_SOURCE_MAX, WAIT_MAX};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Tag, XNonce};

use super::format::*;
use super::*;
use crate::drop_reason::DropReason;
use crate::keyring::{Keyring, SharedKeyring};

const CLUSTER: &str = "zlayer";
/// Default of `PROPTEST_RNG_SEED`, so that all runs are alike.
const SEED: u64 = 20_260_101;
const NOW_MS: u64 = 1_800_000_000_000;
/// Offsets of fields in a datagram.
const VERSION_AT: usize = 2;
const NONCE_AT: usize = HEAD_BYTES;

/// Two members with separate keyrings, and a clock that the test sets.
struct Pair {
    sealer: Sealer,
    opener: Opener,
    sealing: SharedKeyring,
    opening: SharedKeyring,
    now: Instant,
}

type OpenResult = Result<Option<Vec<u8>>, DropReason>;

impl Pair {
    fn new(sealing: &[u8], opening: &[u8]) -> Self {
        let sealing = Arc::new(ArcSwap::from_pointee(ring(sealing)));
        let opening = Arc::new(ArcSwap::from_pointee(ring(opening)));
        Self {
            sealer: Sealer::new(sealing.clone(), CLUSTER),
            opener: Opener::new(opening.clone(), CLUSTER),
            sealing,
            opening,
            now: Instant::now(),
        }
    }

    fn seal(&self, payload: &[u8]) -> Vec<Vec<u8>> {
        let datagrams = self.sealer.seal(payload, NOW_MS).unwrap();
        assert!(datagrams.iter().all(|one| one.len() <= DATAGRAM_BYTES_MAX));
        datagrams
    }

    /// Seals a payload that needs two fragments.
    fn seal_fragments(&self, payload: &[u8]) -> [Vec<u8>; 2] {
        self.seal(payload).try_into().unwrap()
    }

    fn open(&mut self, datagram: &[u8]) -> OpenResult {
        self.open_from(datagram, 1)
    }

    fn open_from(&mut self, datagram: &[u8], port: u16) -> OpenResult {
        self.opener
            .open(datagram, from(port), NOW_MS, self.now)
            .map(|payload| payload.map(<[u8]>::to_vec))
    }

    /// Seals fragments that a holder of the key could make, but [`Sealer`] does not.
    fn forge(&self, place: [u8; 2], id: u64, part: &[u8]) -> Vec<u8> {
        let keyring = self.sealing.load();
        let message = MessageHeader {
            sent_ms: NOW_MS,
            id,
        };
        self.sealer
            .seal_fragment(keyring.sealing().unwrap(), message, place, part)
            .unwrap()
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(&[1], &[1])
    }
}

fn ring(keys: &[u8]) -> Keyring {
    use base64::Engine;
    let lines: Vec<_> = keys
        .iter()
        .map(|key| base64::engine::general_purpose::STANDARD.encode([*key; 32]))
        .collect();
    Keyring::parse(&lines.join("\n")).unwrap()
}

fn from(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
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

/// Mostly small sizes, because sealing is slow in tests, and some around the limit.
fn fragment_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![
        20 => 0_usize..200,
        1 => FRAGMENT_BYTES_MAX - 1..FRAGMENT_BYTES_MAX + 2,
        1 => Just(WHOLE_BYTES_MAX),
    ]
}

/// Returns bytes without repetition.
fn payload(bytes: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|number| number.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .take(bytes)
        .collect()
}

#[test]
fn payloads_of_all_sizes_arrive() {
    let mut pair = Pair::default();
    for (bytes, datagrams) in [
        (0, 1),
        (1, 1),
        (1_400, 1),
        (WHOLE_BYTES_MAX - 1, 1),
        (WHOLE_BYTES_MAX, 1),
        (WHOLE_BYTES_MAX + 1, 2),
        (PAYLOAD_BYTES_MAX - 1, 2),
        (PAYLOAD_BYTES_MAX, 2),
    ] {
        let payload = payload(bytes);
        let sealed = pair.seal(&payload);
        assert_eq!(sealed.len(), datagrams, "{bytes} bytes");
        let total: usize = sealed.iter().map(Vec::len).sum();
        assert_eq!(total, bytes + datagrams * OVERHEAD_BYTES);
        let results: Vec<_> = sealed.iter().map(|one| pair.open(one)).collect();
        let (last, first) = results.split_last().unwrap();
        assert!(first.iter().all(|opened| *opened == Ok(None)));
        assert_eq!(*last, Ok(Some(payload)), "{bytes} bytes");
    }
    let too_large = pair.sealer.seal(&payload(PAYLOAD_BYTES_MAX + 1), NOW_MS);
    assert!(matches!(
        too_large,
        Err(SealError::TooLarge { bytes: 65_508 })
    ));
}

#[test]
fn fragments_are_about_equal() {
    let [first, second] = Pair::default().seal_fragments(&payload(PAYLOAD_BYTES_MAX));
    assert_eq!(first.len(), FRAGMENT_BYTES_MAX + OVERHEAD_BYTES);
    assert_eq!(second.len(), first.len() - 1);
}

#[test]
fn equal_messages_give_different_datagrams() {
    let pair = Pair::default();
    let [one, other] = [pair.seal(b"same").remove(0), pair.seal(b"same").remove(0)];
    let same = one
        .iter()
        .zip(&other)
        .skip(NONCE_AT)
        .filter(|(one, other)| one == other)
        .count();
    assert!(same < 16, "{same} equal bytes of {}", one.len());
    assert!(!one.windows(4).any(|bytes| bytes == b"same"));
}

/// Checks the format of version 1, as other software must write it.
#[test]
fn the_format_is_fixed() {
    let pair = Pair::default();
    let datagram = pair.seal(b"payload").remove(0);
    let key_id = pair.sealing.load().key_ids().next().unwrap().0;
    assert_eq!(datagram[..3], *b"ec\x01");
    assert_eq!(datagram[3..7], key_id);
    assert_eq!(datagram.len(), 7 + 24 + 8 + 8 + 1 + 1 + 7 + 16);

    let keyring = pair.sealing.load();
    let associated = [&datagram[..7], CLUSTER.as_bytes()].concat();
    let (nonce, secret) = datagram[7..].split_at(24);
    let (secret, tag) = secret.split_at(secret.len() - 16);
    let mut buffer = secret.to_vec();
    keyring
        .sealing()
        .unwrap()
        .cipher
        .decrypt_inout_detached(
            &XNonce::try_from(nonce).unwrap(),
            &associated,
            buffer.as_mut_slice().into(),
            &Tag::try_from(tag).unwrap(),
        )
        .unwrap();
    assert_eq!(buffer[..8], NOW_MS.to_le_bytes());
    assert_eq!(buffer[16..], *b"\x00\x01payload");
}

#[test]
fn a_changed_byte_is_detected_at_any_offset() {
    let mut pair = Pair::default();
    let datagram = pair.seal(&payload(300)).remove(0);
    for place in 0..datagram.len() {
        for bit in 0..8 {
            let mut changed = datagram.clone();
            changed[place] ^= 1 << bit;
            let expected = match place {
                0..=VERSION_AT => DropReason::NotSealed,
                3..HEAD_BYTES => DropReason::UnknownKey,
                _ => DropReason::Forged,
            };
            assert_eq!(pair.open(&changed), Err(expected), "byte {place}");
        }
    }
    assert_eq!(pair.open(&datagram), Ok(Some(payload(300))));
}

#[test]
fn a_shortened_or_lengthened_datagram_is_detected() {
    let mut pair = Pair::default();
    let datagram = pair.seal(b"payload").remove(0);
    for bytes in 0..datagram.len() {
        let expected = if bytes < OVERHEAD_BYTES {
            DropReason::NotSealed
        } else {
            DropReason::Forged
        };
        assert_eq!(pair.open(&datagram[..bytes]), Err(expected), "{bytes}");
    }
    let longer = [datagram.as_slice(), &[0]].concat();
    assert_eq!(pair.open(&longer), Err(DropReason::Forged));

    let mut endless = datagram.clone();
    endless.resize(DATAGRAM_BYTES_MAX, 0);
    assert_eq!(pair.open(&endless), Err(DropReason::Forged));
    endless.push(0);
    assert_eq!(pair.open(&endless), Err(DropReason::NotSealed));
}

#[test]
fn plain_gossip_is_dropped() {
    let mut pair = Pair::default();
    let syn = [0x53, 0xb0, 0, 0, 0, 0, 0, 0];
    assert_eq!(pair.open(&syn), Err(DropReason::NotSealed));
    let long = [syn.as_slice(), &payload(1_000)].concat();
    assert_eq!(pair.open(&long), Err(DropReason::NotSealed));
    assert_eq!(pair.open(b""), Err(DropReason::NotSealed));
}

#[test]
fn datagrams_of_another_cluster_with_the_same_key_are_dropped() {
    let mut pair = Pair::default();
    let ring = pair.sealing.clone();
    for other in ["", "zlaye", "zlayer ", "Zlayer"] {
        let sealer = Sealer::new(ring.clone(), other);
        let datagram = sealer.seal(b"payload", NOW_MS).unwrap().remove(0);
        assert_eq!(pair.open(&datagram), Err(DropReason::Forged), "{other:?}");
    }
}

/// Puts the right key id on a datagram of the wrong key.
#[test]
fn a_forged_key_id_does_not_decrypt() {
    let mut pair = Pair::new(&[2], &[1]);
    let mut datagram = pair.seal(b"payload").remove(0);
    assert_eq!(pair.open(&datagram), Err(DropReason::UnknownKey));
    let right = pair.opening.load().key_ids().next().unwrap();
    datagram[3..7].copy_from_slice(&right.0);
    assert_eq!(pair.open(&datagram), Err(DropReason::Forged));
}

/// The steps are: old key, both with the old one first, both with the new one first, new key. Agents
/// that are at most one step apart must understand each other.
#[test]
fn a_key_is_rotated_without_a_gap() {
    let steps: [&[u8]; 4] = [&[1], &[1, 2], &[2, 1], &[2]];
    let mut pair = Pair::default();
    for (place, mine) in steps.iter().enumerate() {
        for (other_place, theirs) in steps.iter().enumerate() {
            pair.sealing.store(Arc::new(ring(mine)));
            pair.opening.store(Arc::new(ring(theirs)));
            let datagram = pair.seal(b"payload").remove(0);
            let opened = pair.open(&datagram);
            if place.abs_diff(other_place) <= 1 {
                assert_eq!(opened, Ok(Some(b"payload".to_vec())));
            } else if !theirs.contains(&mine[0]) {
                assert_eq!(opened, Err(DropReason::UnknownKey));
            }
        }
    }
}

#[test]
fn a_removed_key_no_longer_decrypts() {
    let mut pair = Pair::default();
    let datagram = pair.seal(b"payload").remove(0);
    pair.opening.store(Arc::new(ring(&[2, 1])));
    assert!(pair.open(&datagram).is_ok());
    pair.opening.store(Arc::new(ring(&[2])));
    assert_eq!(pair.open(&datagram), Err(DropReason::UnknownKey));
}

#[test]
fn clocks_may_differ_by_two_minutes() {
    let mut pair = Pair::default();
    let mut at = |now_ms| {
        let now = pair.now;
        let datagram = pair.seal(b"payload").remove(0);
        pair.opener
            .open(&datagram, from(1), now_ms, now)
            .map(|payload| payload.is_some())
    };
    for now_ms in [NOW_MS, NOW_MS + AGE_MS_MAX, NOW_MS - AGE_MS_MAX] {
        assert_eq!(at(now_ms), Ok(true));
    }
    for now_ms in [
        NOW_MS + AGE_MS_MAX + 1,
        NOW_MS - AGE_MS_MAX - 1,
        0,
        u64::MAX,
    ] {
        assert_eq!(at(now_ms), Err(DropReason::Stale));
    }
}

#[test]
fn a_stale_fragment_is_dropped() {
    let mut pair = Pair::default();
    let [first, second] = pair.seal_fragments(&payload(PAYLOAD_BYTES_MAX));
    assert_eq!(pair.open(&first), Ok(None));
    let late_ms = NOW_MS + AGE_MS_MAX + 1;
    let late = pair.opener.open(&second, from(1), late_ms, pair.now);
    assert_eq!(late, Err(DropReason::Stale));
    assert_eq!(
        pair.open(&second),
        Ok(Some(payload(PAYLOAD_BYTES_MAX))),
        "the first is still there"
    );
}

#[test]
fn fragments_arrive_in_any_order_and_repeated() {
    let mut pair = Pair::default();
    let whole = payload(PAYLOAD_BYTES_MAX);
    for first in [0, 1] {
        let fragments = pair.seal_fragments(&whole);
        let (one, other) = (&fragments[first], &fragments[1 - first]);
        assert_eq!(pair.open(one), Ok(None));
        assert_eq!(pair.open(one), Err(DropReason::RepeatedFragment));
        assert_eq!(pair.open(other), Ok(Some(whole.clone())));
        for fragment in [one, other] {
            assert_eq!(pair.open(fragment), Err(DropReason::Replayed));
            assert_eq!(pair.open_from(fragment, 2), Err(DropReason::Replayed));
        }
    }
    assert_eq!(pair.opener.take_abandoned(), 0);
}

#[test]
fn a_replayed_datagram_is_dropped_for_as_long_as_its_time_is_accepted() {
    let mut pair = Pair::default();
    let datagram = pair.seal(b"payload").remove(0);
    let start = pair.now;
    // The sender's clock is ahead by the maximum.
    let mut open = |after_ms| {
        let now_ms = NOW_MS - AGE_MS_MAX + after_ms;
        let now = start + Duration::from_millis(after_ms);
        let opened = pair.opener.open(&datagram, from(1), now_ms, now);
        opened.map(|payload| payload.is_some())
    };
    assert_eq!(open(0), Ok(true));
    for after_ms in [0, 1, AGE_MS_MAX, 2 * AGE_MS_MAX] {
        assert_eq!(open(after_ms), Err(DropReason::Replayed), "{after_ms}");
    }
    assert_eq!(open(2 * AGE_MS_MAX + 1), Err(DropReason::Stale));
    assert_eq!(pair.opener.stale_by_ms, -120_001);
}

#[test]
fn a_lost_fragment_affects_only_its_message() {
    let mut pair = Pair::default();
    let [lonely, _] = pair.seal_fragments(&payload(PAYLOAD_BYTES_MAX));
    assert_eq!(pair.open(&lonely), Ok(None));
    let whole = payload(WHOLE_BYTES_MAX + 9);
    let [first, second] = pair.seal_fragments(&whole);
    assert_eq!(pair.open(&first), Ok(None));
    let single = pair.seal(b"between").remove(0);
    assert_eq!(pair.open(&single), Ok(Some(b"between".to_vec())));
    assert_eq!(pair.open(&second), Ok(Some(whole)));
}

#[test]
fn a_fragment_is_kept_for_two_seconds() {
    let whole = payload(PAYLOAD_BYTES_MAX);
    let mut pair = Pair::default();
    let [first, second] = pair.seal_fragments(&whole);
    assert_eq!(pair.open(&first), Ok(None));
    pair.now += WAIT_MAX;
    assert_eq!(pair.open(&second), Ok(Some(whole.clone())));

    let [first, second] = pair.seal_fragments(&whole);
    assert_eq!(pair.open(&first), Ok(None));
    pair.now += WAIT_MAX + Duration::from_nanos(1);
    assert_eq!(pair.open(&second), Ok(None), "kept itself");
    assert_eq!(pair.opener.take_abandoned(), 1);
    assert_eq!(pair.open(&first), Ok(Some(whole)));
}

#[test]
fn fragments_of_different_senders_do_not_mix() {
    let mut pair = Pair::default();
    let messages: Vec<_> = (0..8)
        .map(|number| {
            let mut whole = payload(WHOLE_BYTES_MAX + 1 + usize::from(number));
            whole[0] = number;
            let parts = pair.seal_fragments(&whole);
            (u16::from(number), whole, parts)
        })
        .collect();
    for (port, _, [first, _]) in &messages {
        assert_eq!(pair.open_from(first, *port), Ok(None));
    }
    for (port, whole, [_, second]) in messages.iter().rev() {
        assert_eq!(pair.open_from(second, *port), Ok(Some(whole.clone())));
    }
    // Fragments with the same message id from different addresses are not joined.
    let [first, second] = pair.seal_fragments(&payload(PAYLOAD_BYTES_MAX));
    assert_eq!(pair.open_from(&first, 100), Ok(None));
    assert_eq!(pair.open_from(&second, 101), Ok(None));
}

#[test]
fn at_most_64_fragments_are_kept_and_the_oldest_is_abandoned() {
    let mut pair = Pair::default();
    let sources = u16::try_from(FRAGMENTS_MAX + 1).unwrap();
    let whole = payload(PAYLOAD_BYTES_MAX);
    let messages: Vec<_> = (1..=sources)
        .map(|port| (port, pair.seal_fragments(&whole)))
        .collect();
    for (port, [first, _]) in &messages {
        assert_eq!(pair.open_from(first, *port), Ok(None));
    }
    assert_eq!(pair.opener.take_abandoned(), 1);
    for (port, [_, second]) in &messages[1..] {
        assert_eq!(pair.open_from(second, *port), Ok(Some(whole.clone())));
    }
    let (_, [_, second]) = &messages[0];
    assert_eq!(
        pair.open_from(second, 1),
        Ok(None),
        "its fragment was abandoned"
    );
}

#[test]
fn a_sender_displaces_its_own_fragments_first() {
    let mut pair = Pair::default();
    let whole = payload(PAYLOAD_BYTES_MAX);
    let [first, second] = pair.seal_fragments(&whole);
    assert_eq!(pair.open_from(&first, 1), Ok(None));
    let flood: Vec<_> = (0..20).map(|_| pair.seal_fragments(&whole)).collect();
    for [fragment, _] in &flood {
        assert_eq!(pair.open_from(fragment, 2), Ok(None));
    }
    let displaced = flood.len() - FRAGMENTS_PER_SOURCE_MAX;
    assert_eq!(
        pair.opener.take_abandoned(),
        u64::try_from(displaced).unwrap()
    );
    assert_eq!(pair.open_from(&second, 1), Ok(Some(whole.clone())));
    for [_, rest] in &flood[displaced..] {
        assert_eq!(pair.open_from(rest, 2), Ok(Some(whole.clone())));
    }
}

#[test]
fn invalid_fragments_are_dropped() {
    let mut pair = Pair::default();
    let most = payload(FRAGMENT_BYTES_MAX);
    for place in [[1, 1], [0, 0], [2, 2], [0, 3], [2, 3], [0, 255]] {
        let datagram = pair.forge(place, 1, b"part");
        assert_eq!(
            pair.open(&datagram),
            Err(DropReason::BadFragment),
            "{place:?}"
        );
    }
    for part in [&[], payload(FRAGMENT_BYTES_MAX + 1).as_slice()] {
        let datagram = pair.forge([0, 2], 1, part);
        assert_eq!(pair.open(&datagram), Err(DropReason::BadFragment));
    }
    // Two fragments of maximum size are one byte over the maximum message.
    let [first, second, fitting] = [
        pair.forge([0, 2], 2, &most),
        pair.forge([1, 2], 2, &most),
        pair.forge([1, 2], 2, &most[1..]),
    ];
    assert_eq!(pair.open(&first), Ok(None));
    assert_eq!(pair.open(&second), Err(DropReason::BadFragment));
    let whole = [most.as_slice(), &most[1..]].concat();
    assert_eq!(
        pair.open(&fitting),
        Ok(Some(whole)),
        "the first is still kept"
    );
}

#[test]
fn fragments_of_different_times_are_not_joined() {
    let mut pair = Pair::default();
    let first = pair.forge([0, 2], 7, b"one");
    let ring = pair.sealing.load_full();
    let message = MessageHeader {
        sent_ms: NOW_MS + 1,
        id: 7,
    };
    let key = ring.sealing().unwrap();
    let second = pair
        .sealer
        .seal_fragment(key, message, [1, 2], b"two")
        .unwrap();
    assert_eq!(pair.open(&first), Ok(None));
    assert_eq!(pair.open(&second), Err(DropReason::BadFragment));
}

proptest! {
    #![proptest_config(runs(64))]

    #[test]
    fn random_bytes_never_open(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut pair = Pair::default();
        prop_assert!(pair.open(&bytes).is_err());
        let mut begun = pair.seal(b"").remove(0);
        begun.truncate(HEAD_BYTES);
        begun.extend(bytes);
        prop_assert!(pair.open(&begun).is_err());
    }

    #[test]
    fn invented_fragments_never_panic(
        parts in prop::collection::vec(
            (any::<[u8; 2]>(), 0_u64..3, fragment_bytes(), 0_u16..3, 0_u64..3_000),
            1..12,
        )
    ) {
        let mut pair = Pair::default();
        for ([index, count], id, bytes, port, later_ms) in parts {
            let place = [index % 3, count % 4];
            let datagram = pair.forge(place, id, &vec![7; bytes]);
            pair.now += Duration::from_millis(later_ms);
            if let Ok(Some(opened)) = pair.open_from(&datagram, port) {
                prop_assert!(opened.len() <= PAYLOAD_BYTES_MAX);
            }
        }
    }

    #[test]
    fn any_payload_arrives(payload in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut pair = Pair::default();
        let datagram = pair.seal(&payload).remove(0);
        prop_assert_eq!(pair.open(&datagram), Ok(Some(payload)));
    }
}
