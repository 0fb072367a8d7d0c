//! Every limit, at its maximum and above.

use super::super::protocol::*;
use super::super::*;
use super::wire::{self, Op};
use super::{CLUSTER, PEER, own, states, validator};

fn check(message: &[u8]) -> Result<MessageKind, DropReason> {
    validator().check(PEER, message)
}

fn named(name: &str) -> ChitchatId {
    ChitchatId::new(name, 1, ([10, 0, 0, 1], 1).into())
}

/// Returns a text that zstd cannot compress.
fn noise(bytes: usize) -> String {
    let mut rng = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| rng.alphanumeric())
        .take(bytes)
        .collect()
}

#[test]
fn all_four_kinds_pass_in_both_versions() {
    let other = wire::member(2);
    let ops = [Op::Member(&other, 0, 0), Op::Set("key", "value", 1, 0)];
    for version in [0, 1] {
        for entries in [0..0, 1..2, 1..50] {
            let entries = wire::entries(entries);
            let syn = wire::syn(version, &entries, CLUSTER);
            assert_eq!(check(&syn), Ok(MessageKind::Syn));
            let syn_ack = wire::syn_ack(version, &entries, &ops);
            assert_eq!(check(&syn_ack), Ok(MessageKind::SynAck));
        }
    }
    assert_eq!(check(&wire::ack(&ops)), Ok(MessageKind::Ack));
    assert_eq!(check(&wire::ack(&[])), Ok(MessageKind::Ack));
    assert_eq!(check(&wire::bad_cluster()), Err(DropReason::Refused));
    assert_eq!(wire::bad_cluster(), super::super::BAD_CLUSTER);
}

#[test]
fn other_heads_are_rejected() {
    let message = wire::bad_cluster();
    assert_eq!(message, [0x53, 0xb0, 0, 3]);
    for (place, value) in [(0, 0x52), (1, 0xb1), (2, 2), (3, 4), (3, 255)] {
        let mut other = message.clone();
        other[place] = value;
        assert_eq!(check(&other), Err(DropReason::NotChitchat));
    }
    for bytes in 0..4 {
        assert_eq!(check(&message[..bytes]), Err(DropReason::NotChitchat));
    }
}

#[test]
fn a_message_has_no_missing_and_no_trailing_bytes() {
    let other = wire::member(2);
    let ops = [
        Op::Member(&other, 3, 0),
        Op::Set("key", "value", 4, 1),
        Op::MaxVersion(9),
    ];
    for version in [0, 1] {
        for message in [
            wire::syn(version, &wire::entries(0..9), CLUSTER),
            wire::syn_ack(version, &wire::entries(0..9), &ops),
            wire::ack(&ops),
            wire::bad_cluster(),
        ] {
            assert!(matches!(check(&message), Ok(_) | Err(DropReason::Refused)));
            for bytes in 4..message.len() {
                let shorter = &message[..bytes];
                assert_eq!(check(shorter), Err(DropReason::Malformed), "{bytes} bytes");
            }
            let longer = [message.as_slice(), &[0]].concat();
            assert_eq!(check(&longer), Err(DropReason::Malformed));
        }
    }
}

#[test]
fn ipv6_members_pass_and_other_families_do_not() {
    let v6 = ChitchatId::new("worker:6", 1, "[2001:db8::1]:7946".parse().unwrap());
    let mut message = wire::ack(&[Op::Member(&v6, 0, 0)]);
    assert_eq!(check(&message), Ok(MessageKind::Ack));
    let mut ops = wire::ops_bytes(&[Op::Member(&v6, 0, 0)]);
    let family = 1 + 2 + "worker:6".len() + 8;
    assert_eq!(ops[family], 6);
    for other in [0, 4, 5, 7] {
        ops[family] = other;
        message = wire::ack_of(&ops);
        assert!(check(&message).is_err(), "{other}");
    }
}

#[test]
fn text_must_be_utf_8() {
    let other = wire::member(2);
    let ops = wire::ops_bytes(&[
        Op::Member(&other, 0, 0),
        Op::Set("k\u{e9}y", "v\u{e9}", 1, 0),
    ]);
    assert_eq!(check(&wire::ack_of(&ops)), Ok(MessageKind::Ack));
    let broken: Vec<_> = (0..ops.len())
        .filter(|place| ops[*place] == 0xa9 || ops[*place] == b'w')
        .collect();
    assert_eq!(broken.len(), 3);
    for place in broken {
        let mut ops = ops.clone();
        ops[place] = 0xff;
        assert_eq!(check(&wire::ack_of(&ops)), Err(DropReason::Malformed));
    }
}

#[test]
fn names_have_at_most_256_bytes() {
    let [fits, long] = [256, 257].map(|bytes| named(&"n".repeat(bytes)));
    let digest = |id: &ChitchatId| {
        let mut entry = wire::entry(1);
        entry.id = id.clone();
        entry
    };
    for version in [0, 1] {
        let syn = |id| check(&wire::syn(version, &[digest(id)], CLUSTER));
        assert_eq!(syn(&fits), Ok(MessageKind::Syn));
        assert_eq!(syn(&long), Err(DropReason::LongName));
    }
    let about = |id| check(&wire::ack(&[Op::Member(id, 0, 0)]));
    assert_eq!(about(&fits), Ok(MessageKind::Ack));
    assert_eq!(about(&long), Err(DropReason::LongName));

    let of = |cluster_id: &str| check(&wire::syn(0, &[], cluster_id));
    assert_eq!(of(&"c".repeat(256)), Err(DropReason::OtherCluster));
    assert_eq!(of(&"c".repeat(257)), Err(DropReason::LongName));
}

#[test]
fn a_digest_names_at_most_4096_members() {
    let own = own();
    let v1 = || MessageValidator::new(&own, CLUSTER, ProtocolVersion::V1, states());
    let most = wire::syn_ack(1, &wire::entries(0..MEMBERS_MAX), &[]);
    assert_eq!(v1().check(PEER, &most), Ok(MessageKind::SynAck));
    let more = wire::syn_ack(1, &wire::entries(0..MEMBERS_MAX + 1), &[]);
    assert_eq!(v1().check(PEER, &more), Err(DropReason::TooManyMembers));
}

#[test]
fn a_delta_names_at_most_4096_members() {
    let ids: Vec<_> = (0..=MEMBERS_MAX).map(wire::member).collect();
    let about = |count: usize| {
        let ops: Vec<_> = ids[..count].iter().map(|id| Op::Member(id, 0, 0)).collect();
        check(&wire::ack(&ops))
    };
    assert_eq!(about(MEMBERS_MAX), Ok(MessageKind::Ack));
    assert_eq!(about(MEMBERS_MAX + 1), Err(DropReason::TooManyMembers));
}

#[test]
fn a_delta_has_at_most_100000_operations() {
    let other = wire::member(2);
    let mut ops = vec![Op::Member(&other, 0, 0)];
    ops.extend((1..OPS_MAX).map(|_| Op::MaxVersion(1)));
    assert_eq!(check(&wire::ack(&ops)), Ok(MessageKind::Ack));
    ops.push(Op::MaxVersion(1));
    assert_eq!(check(&wire::ack(&ops)), Err(DropReason::TooManyOps));
}

#[test]
fn a_message_inflates_to_at_most_8_mib() {
    let other = wire::member(2);
    let value = "v".repeat(16_000);
    let ops = |count: u64| {
        let mut ops = vec![Op::Member(&other, 0, 0)];
        ops.extend((1..=count).map(|version| Op::Set("k", &value, version, 0)));
        wire::ops_bytes(&ops)
    };
    let op_bytes = ops(2).len() - ops(1).len();
    let fits = u64::try_from(INFLATED_BYTES_MAX / op_bytes).unwrap();
    assert!(ops(fits).len() <= INFLATED_BYTES_MAX);
    assert_eq!(check(&wire::ack_of(&ops(fits))), Ok(MessageKind::Ack));
    let own = own();
    let mut validator = MessageValidator::new(&own, CLUSTER, ProtocolVersion::V1, states());
    let result = validator.check(PEER, &wire::ack_of(&ops(fits + 1)));
    assert_cut(&mut validator, result, MessageKind::Ack);
}

/// The streams of a message share the limit.
#[test]
fn digest_and_delta_inflate_to_at_most_8_mib_together() {
    let own = own();
    let mut validator = MessageValidator::new(&own, CLUSTER, ProtocolVersion::V1, states());
    let other = wire::member(2);
    let value = "v".repeat(16_000);
    let mut ops = vec![Op::Member(&other, 0, 0)];
    ops.extend((1..=520).map(|version| Op::Set("k", &value, version, 0)));
    let inflated = wire::ops_bytes(&ops).len();
    assert!(inflated < INFLATED_BYTES_MAX);
    let alone = wire::syn_ack(1, &[], &ops);
    assert_eq!(validator.check(PEER, &alone), Ok(MessageKind::SynAck));
    let entries = wire::entries(0..2_000);
    let together = wire::syn_ack(1, &entries, &ops);
    assert!(inflated + 2_000 * 40 > INFLATED_BYTES_MAX);
    let result = validator.check(PEER, &together);
    assert_cut(&mut validator, result, MessageKind::SynAck);
}

/// Asserts that a delta was cut to one that passes as it is.
pub(super) fn assert_cut(
    validator: &mut MessageValidator,
    result: Result<MessageKind, DropReason>,
    kind: MessageKind,
) {
    assert_eq!(result, Ok(kind));
    let cut = validator.take_rewritten().unwrap();
    assert_eq!(validator.check(PEER, &cut), Ok(kind));
    assert_eq!(validator.take_rewritten(), None);
}

#[test]
fn key_and_value_have_at_most_65440_bytes() {
    let other = wire::member(2);
    for (key_bytes, value_bytes, expected) in [
        (1, KEY_VALUE_BYTES_MAX - 1, Ok(MessageKind::Ack)),
        (1, KEY_VALUE_BYTES_MAX, Err(DropReason::LargeValue)),
        (KEY_VALUE_BYTES_MAX, 0, Ok(MessageKind::Ack)),
        (KEY_VALUE_BYTES_MAX, 1, Err(DropReason::LargeValue)),
        (KEY_VALUE_BYTES_MAX + 1, 0, Err(DropReason::LargeValue)),
        (65_535, 65_535, Err(DropReason::LargeValue)),
        (0, 0, Ok(MessageKind::Ack)),
    ] {
        let (key, value) = (noise(key_bytes), noise(value_bytes));
        let ops = [Op::Member(&other, 0, 0), Op::Set(&key, &value, 1, 0)];
        assert_eq!(check(&wire::ack(&ops)), expected);
    }
}

/// Operations may span blocks at any byte.
#[test]
fn operations_may_span_blocks() {
    let other = wire::member(2);
    let value = noise(3_000);
    let ops = wire::ops_bytes(&[
        Op::Member(&other, 0, 0),
        Op::Set("key", &value, 1, 0),
        Op::Set("other", "", 2, 2),
    ]);
    for bytes in [1, 2, 3, 7, 64, 1_000] {
        let blocks: Vec<_> = ops
            .chunks(bytes)
            .map(|part| wire::raw_block(2, part))
            .collect();
        assert_eq!(check(&wire::ack_with_blocks(&blocks)), Ok(MessageKind::Ack));
    }
    let largest: String = noise(KEY_VALUE_BYTES_MAX - 1);
    let ops = wire::ops_bytes(&[
        Op::Member(&other, 0, 0),
        Op::Set("k", &largest, 1, 0),
        Op::Set("k", &"v".repeat(KEY_VALUE_BYTES_MAX - 1), 2, 0),
    ]);
    let (head, tail) = ops.split_at(65_500);
    let blocks = [wire::raw_block(2, head), wire::block(tail)];
    assert_eq!(check(&wire::ack_with_blocks(&blocks)), Ok(MessageKind::Ack));
}

#[test]
fn blocks_may_be_empty_but_must_be_blocks() {
    let other = wire::member(2);
    let ops = wire::ops_bytes(&[Op::Member(&other, 0, 0)]);
    let empty = [wire::raw_block(2, &[]), wire::block(&ops), wire::block(&[])];
    assert_eq!(check(&wire::ack_with_blocks(&empty)), Ok(MessageKind::Ack));
    for bad in [
        wire::raw_block(3, &ops),
        wire::raw_block(1, &ops),
        wire::raw_block(1, &[]),
    ] {
        let result = check(&wire::ack_with_blocks(std::slice::from_ref(&bad)));
        if bad == wire::raw_block(1, &[]) {
            assert_eq!(
                result,
                Ok(MessageKind::Ack),
                "zstd of an empty block is not empty"
            );
        } else {
            assert_eq!(result, Err(DropReason::Malformed));
        }
    }
    // A byte more than chitchat's buffer holds.
    let bomb = zstd::bulk::compress(&[0; 65_536], 0).unwrap();
    let bomb = wire::ack_with_blocks(&[wire::raw_block(1, &bomb)]);
    assert_eq!(check(&bomb), Err(DropReason::Malformed));
}

#[test]
fn versions_must_increase() {
    let (other, third) = (wire::member(2), wire::member(3));
    let set = |version| Op::Set("key", "value", version, 0);
    let run = |ops: Vec<Op<'_>>| {
        let first = wire::ops_bytes(&[Op::Member(&other, 0, 0)]);
        check(&wire::ack_of(&[first, wire::ops_bytes(&ops)].concat()))
    };
    assert_eq!(run(vec![set(1), set(2), set(9)]), Ok(MessageKind::Ack));
    assert_eq!(run(vec![set(0)]), Err(DropReason::BadVersion));
    assert_eq!(run(vec![set(1), set(1)]), Err(DropReason::BadVersion));
    assert_eq!(run(vec![set(2), set(1)]), Err(DropReason::BadVersion));
    assert_eq!(run(vec![set(5), Op::MaxVersion(5)]), Ok(MessageKind::Ack));
    assert_eq!(
        run(vec![set(5), Op::MaxVersion(4)]),
        Err(DropReason::BadVersion)
    );
    assert_eq!(
        run(vec![Op::MaxVersion(5), set(5)]),
        Err(DropReason::BadVersion)
    );
    assert_eq!(
        run(vec![set(9), Op::Member(&third, 0, 0), set(1)]),
        Ok(MessageKind::Ack),
        "versions of members are independent"
    );
}

#[test]
fn versions_and_heartbeats_have_a_maximum() {
    let other = wire::member(2);
    let over = COUNT_MAX + 1;
    for (version, expected) in [
        (COUNT_MAX, Ok(MessageKind::Ack)),
        (over, Err(DropReason::BadVersion)),
    ] {
        let set = Op::Set("key", "value", version, 0);
        for ops in [
            vec![Op::Member(&other, 0, 0), set],
            vec![Op::Member(&other, 0, 0), Op::MaxVersion(version)],
            vec![Op::Member(&other, version, 0)],
            vec![Op::Member(&other, 0, version)],
        ] {
            assert_eq!(check(&wire::ack(&ops)), expected);
        }
    }
    let mut entry = wire::entry(2);
    entry.max_version = u64::MAX;
    entry.heartbeat = COUNT_MAX;
    assert_eq!(
        check(&wire::syn(0, &[entry.clone()], CLUSTER)),
        Ok(MessageKind::Syn)
    );
    entry.heartbeat = over;
    let refused = Err(DropReason::BadVersion);
    assert_eq!(check(&wire::syn(0, &[entry], CLUSTER)), refused);
}

#[test]
fn operations_need_a_member_that_occurs_once() {
    let (other, third) = (wire::member(2), wire::member(3));
    for ops in [
        vec![Op::Set("key", "value", 1, 0)],
        vec![Op::MaxVersion(1)],
        vec![Op::Member(&other, 0, 0), Op::Member(&other, 0, 0)],
        vec![
            Op::Member(&other, 0, 0),
            Op::Member(&third, 0, 0),
            Op::Member(&other, 0, 0),
        ],
    ] {
        assert_eq!(check(&wire::ack(&ops)), Err(DropReason::BadMember));
    }
    let mut later = other.clone();
    later.generation_id += 1;
    let ops = [Op::Member(&other, 0, 0), Op::Member(&later, 0, 0)];
    assert_eq!(check(&wire::ack(&ops)), Ok(MessageKind::Ack));
}

#[test]
fn unknown_codes_are_rejected() {
    let other = wire::member(2);
    for status in 0..=255 {
        let ops = [Op::Member(&other, 0, 0), Op::Set("key", "", 1, status)];
        assert_eq!(check(&wire::ack(&ops)).is_ok(), status <= 2, "{status}");
    }
    for op in 3..=255 {
        let mut ops = wire::ops_bytes(&[Op::Member(&other, 0, 0), Op::MaxVersion(1)]);
        let place = ops.len() - 9;
        ops[place] = op;
        assert_eq!(check(&wire::ack_of(&ops)), Err(DropReason::Malformed));
    }
}

#[test]
fn keys_begin_with_a_one_byte_character() {
    let other = wire::member(2);
    for status in 0..=2 {
        let set = |key: &str| {
            let ops = [Op::Member(&other, 0, 0), Op::Set(key, "value", 1, status)];
            check(&wire::ack(&ops))
        };
        for key in ["", "k", "worker:1", "k\u{e9}", "\u{7f}"] {
            assert_eq!(set(key), Ok(MessageKind::Ack), "{key:?}");
        }
        for key in ["\u{80}", "\u{e9}", "\u{20ac}uro", "\u{1f980}"] {
            assert_eq!(set(key), Err(DropReason::BadKey), "{key:?}");
        }
    }
}

#[test]
fn impersonation_of_this_member_is_detected() {
    let own = own();
    let ops = [Op::Member(&own, 0, 0), Op::Set("worker:1", "lie", 1, 0)];
    assert_eq!(check(&wire::ack(&ops)), Err(DropReason::AboutSelf));
    let among = [
        Op::Member(&wire::member(2), 0, 0),
        Op::Member(&own, 0, 0),
        Op::MaxVersion(COUNT_MAX),
        Op::Member(&wire::member(3), 0, 0),
    ];
    assert_eq!(
        check(&wire::syn_ack(0, &wire::entries(0..3), &among)),
        Err(DropReason::AboutSelf)
    );
    let mut former = own.clone();
    former.generation_id -= 1;
    let mut moved = own.clone();
    moved.gossip_advertise_addr.set_port(1);
    for other in [former, moved] {
        let ops = [Op::Member(&other, 0, 0), Op::Set("worker:1", "old", 1, 0)];
        assert_eq!(check(&wire::ack(&ops)), Ok(MessageKind::Ack));
    }
    let mut known = wire::entry(1);
    known.id = own;
    known.max_version = u64::MAX;
    known.heartbeat = 0;
    assert_eq!(
        check(&wire::syn(0, &[known.clone()], CLUSTER)),
        Ok(MessageKind::Syn),
        "a digest has the version that a peer knows"
    );
    known.heartbeat = 1;
    assert_eq!(
        check(&wire::syn(0, &[known], CLUSTER)),
        Err(DropReason::AboutSelf),
        "a heartbeat above the sent one"
    );
}

/// A late or replayed message of this member is answered with state that it has sent to others since.
#[test]
fn an_echo_is_not_an_impersonation() {
    let own = own();
    let about = |last_gc_version, version| {
        let ops = [
            Op::Member(&own, last_gc_version, 0),
            Op::Set("worker:1", "ours", version, 0),
        ];
        wire::ack(&ops)
    };
    let mut entry = wire::entry(1);
    entry.id = own.clone();
    entry.max_version = 3;
    for (message, version) in [
        (wire::syn(0, &[entry.clone()], CLUSTER), 3),
        (wire::syn_ack(1, &[entry], &[]), 3),
        (about(0, 4), 4),
    ] {
        let mut validator = validator();
        assert_eq!(
            validator.check(PEER, &about(0, 1)),
            Err(DropReason::AboutSelf)
        );
        validator.sent(PEER, &message).unwrap();
        assert_eq!(
            validator.check(PEER, &about(0, version)),
            Err(DropReason::EchoesSelf)
        );
        assert_eq!(
            validator.check(PEER, &about(0, version + 1)),
            Err(DropReason::AboutSelf)
        );
        assert_eq!(
            validator.check(PEER, &about(version + 1, version)),
            Err(DropReason::AboutSelf),
            "this would make chitchat reset its own state"
        );
    }
}
