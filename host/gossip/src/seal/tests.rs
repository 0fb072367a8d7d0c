mod fragments;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Tag, XNonce};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

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
    assert_eq!(
        too_large.unwrap_err().to_string(),
        "a gossip message takes 65508 bytes, the limit is 65507"
    );
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
    assert_eq!(pair.opener.offsets.latest_ms(), -120_001);
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
