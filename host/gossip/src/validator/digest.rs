//! Digests: the members that a member knows, with the version that it has of each.

use std::collections::HashSet;
use std::hash::BuildHasher;

use chitchat::ProtocolVersion;
use foldhash::quality::RandomState;

use super::limits::{COUNT_MAX, MEMBERS_MAX, NAME_BYTES_MAX};
use super::reader::{self, Reader};
use super::rejection::Rejection;

/// Size of the name's length.
const LENGTH_BYTES: usize = 2;
/// Size of generation and address family, after the name.
const AFTER_NAME_BYTES: usize = 8 + 1;
const IPV4_BYTES: usize = 4;
const IPV6_BYTES: usize = 16;
const PORT_BYTES: usize = 2;
/// Size of heartbeat and two versions, after the member id.
const STATE_BYTES: usize = 3 * 8;

/// Hashes of members. The hash is keyed with a secret of this process, so peers cannot provoke
/// collisions.
pub(super) type MemberSet = HashSet<u64, foldhash::fast::RandomState>;

/// The digest of a message. Reused for the next message to avoid allocation.
#[derive(Debug)]
pub(super) struct Digest {
    version: ProtocolVersion,
    members: Vec<DigestMember>,
    /// Uncompressed size of the members.
    members_bytes: usize,
    /// Size of the digest in the message.
    wire_bytes: usize,
    /// Version of the own member in the digest, or 0.
    own_version: u64,
    /// Heartbeat of the own member in the digest, or 0.
    own_heartbeat: u64,
}

/// A member of a digest.
#[derive(Debug, Clone, Copy)]
pub(super) struct DigestMember {
    pub(super) hash: u64,
    /// Uncompressed size.
    pub(super) bytes: usize,
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            version: ProtocolVersion::V0,
            members: Vec::new(),
            members_bytes: 0,
            wire_bytes: 0,
            own_version: 0,
            own_heartbeat: 0,
        }
    }
}

impl Digest {
    pub(super) fn begin(&mut self, version: ProtocolVersion) {
        self.version = version;
        self.members.clear();
        self.members_bytes = 0;
        self.own_version = 0;
        self.own_heartbeat = 0;
    }

    pub(super) fn read_member(
        &mut self,
        reader: &mut impl Reader,
        own_id: &[u8],
        hashes: &RandomState,
    ) -> Result<(), Rejection> {
        if self.members.len() >= MEMBERS_MAX {
            return Err(Rejection::TooManyMembers);
        }
        let id = peek_id(reader)?;
        let member = DigestMember::new(id, hashes);
        let is_own = id == own_id;
        let id_bytes = id.len();
        reader.skip(id_bytes);
        let heartbeat = reader::read_u64(reader)?;
        let _last_gc_version = reader::read_u64(reader)?;
        let max_version = reader::read_u64(reader)?;
        // chitchat stores the heartbeat, and would ignore all lower ones later. It only compares the
        // versions.
        if heartbeat > COUNT_MAX {
            return Err(Rejection::BadVersion);
        }
        if is_own {
            self.own_version = max_version;
            self.own_heartbeat = heartbeat;
        }
        self.members.push(member);
        self.members_bytes = self.members_bytes.saturating_add(member.bytes);
        Ok(())
    }

    pub(super) fn end(&mut self, wire_bytes: usize) {
        self.wire_bytes = wire_bytes;
    }

    pub(super) fn version(&self) -> ProtocolVersion {
        self.version
    }

    pub(super) fn members(&self) -> &[DigestMember] {
        &self.members
    }

    pub(super) fn members_bytes(&self) -> usize {
        self.members_bytes
    }

    pub(super) fn wire_bytes(&self) -> usize {
        self.wire_bytes
    }

    pub(super) fn own_version(&self) -> u64 {
        self.own_version
    }

    pub(super) fn own_heartbeat(&self) -> u64 {
        self.own_heartbeat
    }
}

impl DigestMember {
    pub(super) fn new(id: &[u8], hashes: &RandomState) -> Self {
        Self {
            hash: hashes.hash_one(id),
            bytes: id.len().saturating_add(STATE_BYTES),
        }
    }
}

/// Peeks at the id of a member: name, generation and address. Equal ids have equal bytes.
pub(super) fn peek_id(reader: &mut impl Reader) -> Result<&[u8], Rejection> {
    let [low, high] = *reader
        .peek(LENGTH_BYTES)?
        .first_chunk()
        .ok_or(Rejection::Malformed)?;
    let name_bytes = usize::from(u16::from_le_bytes([low, high]));
    if name_bytes > NAME_BYTES_MAX {
        return Err(Rejection::LongName);
    }
    let name_end = LENGTH_BYTES.saturating_add(name_bytes);
    let address = name_end.saturating_add(AFTER_NAME_BYTES);
    let head = reader.peek(address)?;
    reader::check_text(
        head.get(LENGTH_BYTES..name_end)
            .ok_or(Rejection::Malformed)?,
    )?;
    let address_bytes = match head.last() {
        Some(4) => IPV4_BYTES,
        Some(6) => IPV6_BYTES,
        _ => return Err(Rejection::Malformed),
    };
    let end = address
        .saturating_add(address_bytes)
        .saturating_add(PORT_BYTES);
    reader.peek(end)
}
