//! Encodes messages as chitchat does, and invalid ones.

use chitchat::{ChitchatId, Serializable};

/// Size of the blocks in chitchat's streams.
pub(super) const BLOCK_BYTES: usize = 16_384;

/// A member of a digest.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) id: ChitchatId,
    pub(super) heartbeat: u64,
    pub(super) max_version: u64,
}

/// An operation of a delta.
pub(super) enum Op<'a> {
    /// Member, last garbage-collected version, first version.
    Member(&'a ChitchatId, u64, u64),
    /// Key, value, version, status.
    Set(&'a str, &'a str, u64, u8),
    MaxVersion(u64),
}

/// Returns a member with a realistic generation, in nanoseconds.
pub(super) fn member(number: usize) -> ChitchatId {
    ChitchatId::new(
        format!("worker:{number}"),
        1_800_000_000_000_000_000 + (scattered(number) >> 20),
        ([10, 0, 0, 1], 7946).into(),
    )
}

fn scattered(number: usize) -> u64 {
    u64::try_from(number)
        .unwrap()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub(super) fn entry(number: usize) -> Entry {
    Entry {
        id: member(number),
        heartbeat: scattered(number) >> 40,
        max_version: 1,
    }
}

pub(super) fn entries(numbers: std::ops::Range<usize>) -> Vec<Entry> {
    numbers.map(entry).collect()
}

fn head(version: u8, kind: u8) -> Vec<u8> {
    [&45_139_u16.to_le_bytes()[..], &[version, kind]].concat()
}

pub(super) fn syn(version: u8, entries: &[Entry], cluster_id: &str) -> Vec<u8> {
    let mut message = head(version, 0);
    message.extend(digest(version, entries));
    cluster_id.serialize(&mut message);
    message
}

pub(super) fn syn_ack(version: u8, entries: &[Entry], ops: &[Op<'_>]) -> Vec<u8> {
    let mut message = head(version, 1);
    message.extend(digest(version, entries));
    message.extend(stream(&ops_bytes(ops)));
    message
}

pub(super) fn ack(ops: &[Op<'_>]) -> Vec<u8> {
    ack_of(&ops_bytes(ops))
}

/// Encodes an ACK with any operations.
pub(super) fn ack_of(ops: &[u8]) -> Vec<u8> {
    [head(0, 2), stream(ops)].concat()
}

/// Encodes an ACK with any blocks.
pub(super) fn ack_with_blocks(blocks: &[Vec<u8>]) -> Vec<u8> {
    [head(0, 2), blocks.concat(), vec![0]].concat()
}

pub(super) fn bad_cluster() -> Vec<u8> {
    head(0, 3)
}

/// Encodes a digest.
pub(super) fn digest(version: u8, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if version == 0 {
        u16::try_from(entries.len()).unwrap().serialize(&mut bytes);
    }
    for entry in entries {
        entry.id.serialize(&mut bytes);
        entry.heartbeat.serialize(&mut bytes);
        0_u64.serialize(&mut bytes);
        entry.max_version.serialize(&mut bytes);
    }
    if version == 0 { bytes } else { stream(&bytes) }
}

pub(super) fn ops_bytes(ops: &[Op<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for op in ops {
        match op {
            Op::Member(id, last_gc_version, from_version) => {
                bytes.push(0);
                id.serialize(&mut bytes);
                last_gc_version.serialize(&mut bytes);
                from_version.serialize(&mut bytes);
            }
            Op::Set(key, value, version, status) => {
                bytes.push(1);
                key.serialize(&mut bytes);
                value.serialize(&mut bytes);
                version.serialize(&mut bytes);
                bytes.push(*status);
            }
            Op::MaxVersion(version) => {
                bytes.push(2);
                version.serialize(&mut bytes);
            }
        }
    }
    bytes
}

/// Encodes a stream of blocks with its end.
pub(super) fn stream(content: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = content.chunks(BLOCK_BYTES).flat_map(block).collect();
    bytes.push(0);
    bytes
}

/// Encodes a block, compressed if that makes it smaller.
pub(super) fn block(content: &[u8]) -> Vec<u8> {
    let compressed = zstd::bulk::compress(content, 0).unwrap();
    if compressed.len() <= content.len() {
        raw_block(1, &compressed)
    } else {
        raw_block(2, content)
    }
}

pub(super) fn raw_block(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    [&[kind], &length.to_le_bytes()[..], content].concat()
}
