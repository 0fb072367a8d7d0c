//! The size of the own digest, as observed from outside of chitchat.

use std::hash::BuildHasher;

use super::super::protocol::*;
use super::super::*;
use super::state::Member;
use super::wire::{self, Entry};
use super::{CLUSTER, PEER, own, states, validator};

fn own_entry() -> Entry {
    let mut entry = wire::entry(1);
    entry.id = own();
    entry
}

/// Returns the size of chitchat's digest.
fn digest_bytes(version: u8, entries: &[Entry]) -> usize {
    wire::digest(version, entries).len()
}

/// Returns as many members as fit beside this one in a V0 digest of this size.
fn members_of(bytes: usize, from: usize) -> Vec<Entry> {
    let mut members = Vec::new();
    let mut left = bytes - digest_bytes(0, &[own_entry()]);
    for number in from.. {
        let entry = wire::entry(number);
        let one = digest_bytes(0, std::slice::from_ref(&entry)) - 2;
        if one > left {
            break;
        }
        left -= one;
        members.push(entry);
    }
    members
}

fn own_syn(members: &[Entry]) -> Vec<u8> {
    let entries = [&[own_entry()], members].concat();
    wire::syn(0, &entries, CLUSTER)
}

/// Returns the number of members of a valid message that reach chitchat.
fn taken(validator: &mut MessageValidator, message: &[u8]) -> usize {
    validator.check(PEER, message).unwrap();
    let rewritten = validator.take_rewritten();
    let cut = rewritten.as_ref().map(|_| DropReason::DigestFull);
    assert_eq!(
        validator.cuts,
        Vec::from_iter(cut),
        "counted if members are left out"
    );
    let message = validator.read(rewritten.as_deref().unwrap_or(message));
    message.unwrap().digest.unwrap().members.len()
}

/// Returns members that fill a V0 digest with this one to the last byte.
fn members_of_exactly(bytes: usize) -> Vec<Entry> {
    let named = |name_bytes| Entry {
        id: ChitchatId::new("n".repeat(name_bytes), 1, ([10, 0, 0, 1], 7946).into()),
        ..wire::entry(1)
    };
    let mut members = members_of(bytes - 150, 1_000);
    let all = [&[own_entry(), named(0)], members.as_slice()].concat();
    members.push(named(bytes - digest_bytes(0, &all)));
    members
}

#[test]
fn the_size_is_that_of_the_last_digest_sent() {
    let mut validator = validator();
    assert_eq!(validator.digest_bytes(), digest_bytes(0, &[own_entry()]));
    let members = wire::entries(10..400);
    let all = [&[own_entry()], members.as_slice()].concat();
    validator.sent(PEER, &own_syn(&members)).unwrap();
    assert_eq!(validator.digest_bytes(), digest_bytes(0, &all));
    assert_eq!(validator.digest_members(), all.len());
    validator
        .sent(PEER, &wire::syn_ack(0, &all[..9], &[]))
        .unwrap();
    assert_eq!(validator.digest_bytes(), digest_bytes(0, &all[..9]));
    // chitchat answers in the version of the SYN, but computes sizes in its own.
    validator.sent(PEER, &wire::syn_ack(1, &all, &[])).unwrap();
    assert_eq!(validator.digest_bytes(), digest_bytes(0, &all[..9]));
}

#[test]
fn compressed_digests_count_with_their_compressed_size() {
    let mut validator = MessageValidator::new(&own(), CLUSTER, ProtocolVersion::V1, states());
    let all = [vec![own_entry()], wire::entries(10..400)].concat();
    validator.sent(PEER, &wire::syn(1, &all, CLUSTER)).unwrap();
    assert_eq!(validator.digest_bytes(), digest_bytes(1, &all));
    assert!(validator.digest_bytes() * 3 < digest_bytes(0, &all) * 2);
}

#[test]
fn a_full_digest_answers_no_syn() {
    let members = members_of(SYN_DIGEST_BYTES_MAX, 1_000);
    let asks = wire::syn(0, &[], CLUSTER);
    let mut validator = validator();
    validator.sent(PEER, &own_syn(&members)).unwrap();
    assert!(validator.digest_bytes() <= SYN_DIGEST_BYTES_MAX);
    assert_eq!(validator.check(PEER, &asks), Ok(MessageKind::Syn));

    let one_more = [members.clone(), wire::entries(10..12)].concat();
    validator.sent(PEER, &own_syn(&one_more)).unwrap();
    assert!(validator.digest_bytes() > SYN_DIGEST_BYTES_MAX);
    assert_eq!(validator.check(PEER, &asks), Err(DropReason::DigestFull));
    let answers = wire::syn_ack(0, &one_more, &[]);
    assert_eq!(validator.check(PEER, &answers), Ok(MessageKind::SynAck));
    assert_eq!(validator.check(PEER, &wire::ack(&[])), Ok(MessageKind::Ack));

    validator.sent(PEER, &own_syn(&members)).unwrap();
    assert_eq!(
        validator.check(PEER, &asks),
        Ok(MessageKind::Syn),
        "members were forgotten"
    );
}

#[test]
fn a_syn_is_answered_up_to_the_last_byte_of_the_digest() {
    for (bytes, checked) in [
        (SYN_DIGEST_BYTES_MAX, Ok(MessageKind::Syn)),
        (SYN_DIGEST_BYTES_MAX + 1, Err(DropReason::DigestFull)),
    ] {
        let mut validator = validator();
        let own = own_syn(&members_of_exactly(bytes));
        validator.sent(PEER, &own).unwrap();
        assert_eq!(validator.digest_bytes(), bytes);
        assert_eq!(validator.check(PEER, &wire::syn(0, &[], CLUSTER)), checked);
    }
}

/// A member goes on with those that it knows: their messages name others, too.
#[test]
fn members_that_do_not_fit_are_left_out() {
    for (version, code) in [(ProtocolVersion::V0, 0), (ProtocolVersion::V1, 1)] {
        let mut validator = MessageValidator::new(&own(), CLUSTER, version, states());
        let members = match version {
            ProtocolVersion::V0 => members_of_exactly(DIGEST_BYTES_MAX),
            ProtocolVersion::V1 => wire::entries(1_000..1_000 + MEMBERS_MAX - 1),
        };
        let own = wire::syn(code, &[&[own_entry()], &*members].concat(), CLUSTER);
        validator.sent(PEER, &own).unwrap();
        let more = [&members[..5], &wire::entries(10..13), &members[5..7]].concat();
        assert_eq!(taken(&mut validator, &wire::syn(code, &more, CLUSTER)), 7);
        assert_eq!(taken(&mut validator, &wire::syn_ack(code, &more, &[])), 7);
        let new = wire::syn(code, &wire::entries(10..13), CLUSTER);
        assert_eq!(taken(&mut validator, &new), 0);
        let known = wire::syn(code, &members[..7], CLUSTER);
        assert_eq!(taken(&mut validator, &known), 7);
    }
}

/// A sender that repeats a name does not take its place twice, or leave it out after all.
#[test]
fn a_member_that_is_named_twice_counts_once() {
    for (version, code) in [(ProtocolVersion::V0, 0), (ProtocolVersion::V1, 1)] {
        let mut validator = MessageValidator::new(&own(), CLUSTER, version, states());
        let repeated = vec![wire::entry(10); 1_500];
        let message = wire::syn(code, &repeated, CLUSTER);
        assert_eq!(taken(&mut validator, &message), repeated.len());
        assert_eq!(validator.budget.received.len(), 1);
        let bytes = digest_bytes(code, &repeated[..1]);
        assert!(validator.budget.received_bytes <= bytes);
    }
}

/// Names that compress badly hide behind others that compress well, if both are sized by one ratio.
#[test]
fn members_that_compress_badly_are_sized_by_themselves() {
    let mut validator = MessageValidator::new(&own(), CLUSTER, ProtocolVersion::V1, states());
    let mut rng = fastrand::Rng::with_seed(1);
    let mut known = vec![own_entry()];
    for _ in 0..3 {
        let random = (0..200).map(|_| {
            let name = std::iter::repeat_with(|| rng.alphanumeric());
            let name: String = name.take(256).collect();
            let id = ChitchatId::new(name, rng.u64(..), ([10, 0, 0, 1], 7946).into());
            Entry {
                id,
                ..wire::entry(1)
            }
        });
        let random: Vec<_> = random.collect();
        let copies = vec![wire::entry(10); 3_800];
        let message = wire::syn(1, &[random.as_slice(), &copies].concat(), CLUSTER);
        validator.check(PEER, &message).unwrap();
        known.extend(random.into_iter().filter(|entry| {
            let id = entry.id.serialize_to_vec();
            validator
                .budget
                .names(validator.hashes.hash_one(id.as_slice()))
        }));
        let bytes = digest_bytes(1, &known);
        assert!(bytes <= SYN_DIGEST_BYTES_MAX, "{bytes} bytes");
    }
    assert!(known.len() > 200, "{}", known.len());
}

/// Values of unknown members would take the room of members that chitchat knows.
#[test]
fn values_of_unknown_members_take_no_room() {
    let mut validator = validator();
    let (known, unknown) = (wire::entry(1), wire::entry(2));
    validator
        .sent(PEER, &own_syn(std::slice::from_ref(&known)))
        .unwrap();
    let value = "v".repeat(1_000);
    let update = |entry, value| {
        let (member, value) = (
            wire::Op::Member(entry, 0, 0),
            wire::Op::Set("k", value, 1, 0),
        );
        wire::ops_bytes(&[member, value])
    };
    let of_known = update(&known.id, "v");
    let message = wire::ack_of(&[update(&unknown.id, &value), of_known.clone()].concat());
    let before = validator.states.total();
    validator.check(PEER, &message).unwrap();
    assert_eq!(validator.take_rewritten(), Some(wire::ack_of(&of_known)));
    assert_eq!(validator.cuts, []);
    assert!(validator.states.total() - before < 1_000);
}

#[test]
fn a_message_that_cannot_be_written_counts_as_a_full_digest() {
    let mut validator = validator();
    validator.unwritten();
    let asks = wire::syn(0, &[], CLUSTER);
    assert_eq!(validator.check(PEER, &asks), Err(DropReason::DigestFull));
    validator.sent(PEER, &own_syn(&[])).unwrap();
    assert_eq!(validator.check(PEER, &asks), Ok(MessageKind::Syn));
}

#[test]
fn the_rest_of_a_message_without_some_members_is_as_it_was() {
    let mut validator = validator();
    let members = members_of(DIGEST_BYTES_MAX, 1_000);
    validator.sent(PEER, &own_syn(&members)).unwrap();
    let id = &members[0].id;
    let ops = [wire::Op::Member(id, 0, 0), wire::Op::Set("k", "v", 1, 0)];
    let more = [&members[..2], &wire::entries(10..13)].concat();
    let message = wire::syn_ack(0, &more, &ops);
    validator.check(PEER, &message).unwrap();
    let expected = wire::syn_ack(0, &members[..2], &ops);
    assert_eq!(validator.take_rewritten(), Some(expected));
}

#[test]
fn members_count_once_they_are_received() {
    let mut validator = validator();
    validator.sent(PEER, &own_syn(&[])).unwrap();
    let [one, other] = [members_of(30_000, 1_000), members_of(30_000, 3_000)];
    let all = [one.as_slice(), &other, &wire::entries(10..60)].concat();
    assert_eq!(
        validator.check(PEER, &wire::syn(0, &one, CLUSTER)),
        Ok(MessageKind::Syn)
    );
    assert_eq!(
        validator.check(PEER, &wire::syn(0, &one, CLUSTER)),
        Ok(MessageKind::Syn),
        "again"
    );
    assert_eq!(
        validator.check(PEER, &wire::syn(0, &other, CLUSTER)),
        Ok(MessageKind::Syn)
    );
    // Members that are left out do not count.
    let known = one.len() + other.len();
    for _ in 0..3 {
        let message = wire::syn(0, &all, CLUSTER);
        assert!((known..known + 5).contains(&taken(&mut validator, &message)));
    }
    assert_eq!(
        validator.check(PEER, &wire::syn(0, &one, CLUSTER)),
        Ok(MessageKind::Syn)
    );
}

/// The own digest must stay small enough to be sent.
#[test]
fn members_are_admitted_while_the_own_digest_can_be_sent() {
    let mut validator = validator();
    let most = members_of(DIGEST_BYTES_MAX, 1_000);
    assert_eq!(
        validator.check(PEER, &wire::syn_ack(0, &most, &[])),
        Ok(MessageKind::SynAck)
    );
    let more = wire::syn_ack(0, &[wire::entry(1), wire::entry(2)], &[]);
    assert_eq!(taken(&mut validator, &more), 0);
    let known = wire::syn_ack(0, &most[..5], &[]);
    assert_eq!(taken(&mut validator, &known), 5, "adds no member");
    let longest_cluster = "c".repeat(128);
    let own = wire::syn(
        0,
        &[&[own_entry()], most.as_slice()].concat(),
        &longest_cluster,
    );
    assert!(own.len() <= 65_507, "{}", own.len());
}

/// chitchat may write a digest after a message was checked and before it is decoded.
#[test]
fn the_last_message_counts_until_a_later_digest_includes_it() {
    let mut validator = validator();
    let received = members_of(50_000, 1_000);
    let many = members_of(20_000, 3_000);
    let more = wire::syn(0, &many, CLUSTER);
    assert_eq!(
        validator.check(PEER, &wire::syn(0, &received, CLUSTER)),
        Ok(MessageKind::Syn)
    );
    for _ in 0..5 {
        validator.sent(PEER, &own_syn(&[])).unwrap();
    }
    let room = DIGEST_BYTES_MAX - digest_bytes(0, &[&[own_entry()], &*received].concat());
    let fit = members_of(room + digest_bytes(0, &[own_entry()]), 3_000).len();
    assert_eq!(taken(&mut validator, &more), fit);
    // Once a later message is admitted, the earlier one has been decoded.
    validator.sent(PEER, &own_syn(&many[..fit])).unwrap();
    assert_eq!(taken(&mut validator, &more), many.len());
}

/// A heartbeat brings back a member that is about to be deleted, and all of them at once would fill the digest.
#[tokio::test]
async fn a_stored_member_counts_though_it_is_not_in_the_digest() {
    let mut member = Member::new(1 << 30, ProtocolVersion::V0).await;
    for number in [2, 3] {
        member.introduce(number).await;
    }
    member.measure().await;
    let validator = &mut member.validator;
    validator
        .check(PEER, &wire::syn(0, &[wire::entry(4)], CLUSTER))
        .unwrap();
    for _ in 0..2 {
        validator.sent(PEER, &own_syn(&[wire::entry(2)])).unwrap();
        validator.check(PEER, &wire::ack(&[])).unwrap();
    }
    assert_eq!(validator.budget.received.len(), 1);
    let hash = validator
        .hashes
        .hash_one(wire::member(3).serialize_to_vec().as_slice());
    assert!(validator.budget.names(hash));
}

#[test]
fn members_of_other_clusters_do_not_count() {
    let mut validator = validator();
    for from in [1_000, 3_000, 5_000] {
        let foreign = wire::syn(0, &members_of(60_000, from), "other");
        assert_eq!(
            validator.check(PEER, &foreign),
            Err(DropReason::OtherCluster)
        );
    }
    let ours = wire::syn(0, &members_of(59_000, 7_000), CLUSTER);
    assert_eq!(validator.check(PEER, &ours), Ok(MessageKind::Syn));
}

/// A restarted seed knows no member, and then all others at once.
#[test]
fn a_compressed_message_may_add_two_thousand_members() {
    let members = wire::entries(100_000..102_000);
    let mut validator = MessageValidator::new(&own(), CLUSTER, ProtocolVersion::V1, states());
    let syn = wire::syn(1, &members, CLUSTER);
    assert_eq!(validator.check(PEER, &syn), Ok(MessageKind::Syn));
    let all = [&[own_entry()], members.as_slice()].concat();
    validator.sent(PEER, &wire::syn(1, &all, CLUSTER)).unwrap();
    assert_eq!(validator.check(PEER, &syn), Ok(MessageKind::Syn));
}

#[test]
fn a_sent_digest_that_is_invalid_counts_as_full() {
    let mut validator = MessageValidator::new(&own(), CLUSTER, ProtocolVersion::V1, states());
    let entries = wire::entries(0..MEMBERS_MAX + 1);
    let message = wire::syn(1, &entries, CLUSTER);
    assert_eq!(
        validator.sent(PEER, &message),
        Err(DropReason::TooManyMembers)
    );
    assert_eq!(validator.digest_bytes(), MESSAGE_BYTES_MAX + 1);
    let asks = wire::syn(1, &[], CLUSTER);
    assert_eq!(validator.check(PEER, &asks), Err(DropReason::DigestFull));
    let answers = wire::syn_ack(1, &[wire::entry(9)], &[]);
    assert_eq!(taken(&mut validator, &answers), 0);
}

/// The number of remembered members is bounded by their size in the digest.
#[test]
fn memory_is_bounded() {
    let mut validator = MessageValidator::new(&own(), CLUSTER, ProtocolVersion::V1, states());
    let mut cut = 0;
    for from in 0..200 {
        let entries = wire::entries(from * 4_000..from * 4_000 + 4_000);
        let message = wire::syn_ack(1, &entries, &[]);
        validator.check(PEER, &message).unwrap();
        cut += u32::from(!validator.cuts.is_empty());
    }
    assert!(cut > 150, "{cut}");
    assert!(validator.budget.sent.len() + validator.budget.received.len() <= MEMBERS_MAX);
}
