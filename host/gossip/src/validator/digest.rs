//! Digests: the members that a member knows, with the version that it has of each.

use std::collections::HashSet;
use std::hash::BuildHasher;

use chitchat::ProtocolVersion;
use foldhash::quality::RandomState;

use super::protocol::{COUNT_MAX, MEMBERS_MAX};
use super::reader::{Bytes, Inflater, deflate};
use crate::drop_reason::DropReason;

/// Size of heartbeat and two versions, after the member id.
const STATE_BYTES: usize = 3 * 8;

/// Hashes of members. The hash is keyed with a secret of this process, so peers cannot provoke
/// collisions.
pub(super) type MemberSet = HashSet<u64, foldhash::fast::RandomState>;

#[derive(Debug)]
pub(super) struct Digest {
    pub(super) version: ProtocolVersion,
    pub(super) members: Vec<DigestMember>,
    /// The members in their wire format, uncompressed.
    content: Vec<u8>,
    /// Size of the digest in the message.
    pub(super) wire_bytes: usize,
    /// Version of the own member in the digest, or 0.
    pub(super) own_version: u64,
    /// Heartbeat of the own member in the digest, or 0.
    pub(super) own_heartbeat: u64,
    /// `true` if members of the message are no longer in the digest.
    pub(super) is_cut: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct DigestMember {
    pub(super) hash: u64,
    pub(super) max_version: u64,
    /// Uncompressed size.
    pub(super) bytes: usize,
}

impl Digest {
    pub(super) fn read(
        version: ProtocolVersion,
        bytes: &mut Bytes<'_>,
        inflater: &mut Inflater,
        own_id: &[u8],
        hashes: &RandomState,
    ) -> Result<Self, DropReason> {
        let mut digest = Self {
            version,
            members: Vec::new(),
            content: Vec::new(),
            wire_bytes: 0,
            own_version: 0,
            own_heartbeat: 0,
            is_cut: false,
        };
        let before = bytes.0.len();
        match version {
            ProtocolVersion::V0 => {
                let members = bytes.u16()?;
                let content = bytes.0;
                for _ in 0..members {
                    digest.read_member(bytes, own_id, hashes)?;
                }
                let members_bytes = content.len().saturating_sub(bytes.0.len());
                digest.content = Bytes(content).take(members_bytes)?.to_vec();
            }
            ProtocolVersion::V1 => {
                let inflated = inflater.inflate(bytes)?;
                let mut members = Bytes(&inflated);
                while !members.0.is_empty() {
                    digest.read_member(&mut members, own_id, hashes)?;
                }
                digest.content = inflated;
            }
        }
        digest.wire_bytes = before.saturating_sub(bytes.0.len());
        Ok(digest)
    }

    /// Removes these members from the digest.
    pub(super) fn leave_out(&mut self, members: &MemberSet) {
        if members.is_empty() {
            return;
        }
        let stays = |member: u64| !members.contains(&member);
        let entries = self.entries().filter(|(member, _)| stays(*member));
        let content = entries.flat_map(|(_, entry)| entry).copied().collect();
        self.content = content;
        self.members.retain(|member| stays(member.hash));
        self.is_cut = true;
    }

    /// Returns the members with their wire format, uncompressed.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.members
            .iter()
            .scan(self.content.as_slice(), |rest, member| {
                let (entry, others) = rest.split_at_checked(member.bytes)?;
                *rest = others;
                Some((member.hash, entry))
            })
    }

    /// Encodes the digest as if its sender knew all values of these members.
    pub(super) fn knowing(&self, known: &MemberSet) -> Result<Vec<u8>, DropReason> {
        let mut content = self.content.clone();
        let mut rest = content.as_mut_slice();
        for member in &self.members {
            let (entry, others) = std::mem::take(&mut rest)
                .split_at_mut_checked(member.bytes)
                .ok_or(DropReason::Malformed)?;
            // The version comes last.
            if let Some(version) = entry.last_chunk_mut()
                && known.contains(&member.hash)
            {
                *version = u64::MAX.to_le_bytes();
            }
            rest = others;
        }
        match self.version {
            ProtocolVersion::V0 => {
                let count =
                    u16::try_from(self.members.len()).map_err(|_| DropReason::TooManyMembers)?;
                Ok([&count.to_le_bytes(), content.as_slice()].concat())
            }
            ProtocolVersion::V1 => deflate(&content),
        }
    }

    fn read_member(
        &mut self,
        bytes: &mut Bytes<'_>,
        own_id: &[u8],
        hashes: &RandomState,
    ) -> Result<(), DropReason> {
        if self.members.len() >= MEMBERS_MAX {
            return Err(DropReason::TooManyMembers);
        }
        let id = bytes.member_id()?;
        let heartbeat = bytes.u64()?;
        let _last_gc_version = bytes.u64()?;
        let max_version = bytes.u64()?;
        // chitchat stores the heartbeat, and would ignore all lower ones later. It only compares the
        // versions.
        if heartbeat > COUNT_MAX {
            return Err(DropReason::BadVersion);
        }
        if id == own_id {
            self.own_version = max_version;
            self.own_heartbeat = heartbeat;
        }
        let member = DigestMember::new(id, max_version, hashes);
        self.members.push(member);
        Ok(())
    }
}

impl DigestMember {
    pub(super) fn new(id: &[u8], max_version: u64, hashes: &RandomState) -> Self {
        Self {
            max_version,
            hash: hashes.hash_one(id),
            bytes: id.len().saturating_add(STATE_BYTES),
        }
    }
}
