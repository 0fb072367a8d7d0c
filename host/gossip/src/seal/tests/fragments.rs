//! Messages in two fragments: their order, their time and their number.

use super::super::reassembly::{FRAGMENTS_MAX, FRAGMENTS_PER_SOURCE_MAX, WAIT_MAX};
use super::*;

#[test]
fn fragments_are_about_equal() {
    let [first, second] = Pair::default().seal_fragments(&payload(PAYLOAD_BYTES_MAX));
    assert_eq!(first.len(), FRAGMENT_BYTES_MAX + OVERHEAD_BYTES);
    assert_eq!(second.len(), first.len() - 1);
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
