//! Deltas: updates of members' states, as a sequence of operations.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::digest::{self, MemberSet};
use super::limits::{COUNT_MAX, KEY_VALUE_BYTES_MAX, MEMBERS_MAX, OPS_MAX};
use super::reader::{self, Reader};
use super::rejection::Rejection;

/// Highest status code: set, deleted, deleted after a TTL.
const STATUS_MAX: u8 = 2;

/// Reads the operations of a delta in their order.
pub(super) struct DeltaReader<'a> {
    own_id: &'a [u8],
    hashes: &'a RandomState,
    members: &'a mut MemberSet,
    ops: usize,
    /// Highest version of the current member so far. `None` before the first member.
    version: Option<u64>,
    is_own: bool,
    about_self: Option<SelfClaim>,
}

/// The state of the own member in a delta.
#[derive(Debug, Clone, Copy)]
pub(super) struct SelfClaim {
    last_gc_version: u64,
    max_version: u64,
}

impl<'a> DeltaReader<'a> {
    pub(super) fn new(
        own_id: &'a [u8],
        hashes: &'a RandomState,
        members: &'a mut MemberSet,
    ) -> Self {
        Self {
            own_id,
            hashes,
            members,
            ops: 0,
            version: None,
            is_own: false,
            about_self: None,
        }
    }

    pub(super) fn read_op(&mut self, reader: &mut impl Reader) -> Result<(), Rejection> {
        self.ops = self.ops.saturating_add(1);
        if self.ops > OPS_MAX {
            return Err(Rejection::TooManyOps);
        }
        match reader::read_u8(reader)? {
            0 => self.read_member(reader),
            1 => {
                // chitchat ignores a delta that repeats a version.
                let least = self.member_version()?.saturating_add(1);
                let version = read_key_value(reader)?;
                self.rise(least, version)
            }
            2 => {
                // chitchat asserts that this is not below the version of the last key.
                let least = self.member_version()?;
                let version = reader::read_u64(reader)?;
                self.rise(least, version)
            }
            _ => Err(Rejection::Malformed),
        }
    }

    pub(super) fn about_self(&self) -> Option<SelfClaim> {
        self.about_self
    }

    fn read_member(&mut self, reader: &mut impl Reader) -> Result<(), Rejection> {
        let id = digest::peek_id(reader)?;
        let id_bytes = id.len();
        let is_new = self.members.insert(self.hashes.hash_one(id));
        self.is_own = id == self.own_id;
        reader.skip(id_bytes);
        if !is_new {
            return Err(Rejection::BadMember);
        }
        if self.members.len() > MEMBERS_MAX {
            return Err(Rejection::TooManyMembers);
        }
        let last_gc_version = reader::read_u64(reader)?;
        let from_version = reader::read_u64(reader)?;
        if last_gc_version > COUNT_MAX || from_version > COUNT_MAX {
            return Err(Rejection::BadVersion);
        }
        self.version = Some(0);
        if self.is_own {
            self.about_self = Some(SelfClaim {
                last_gc_version,
                max_version: 0,
            });
        }
        Ok(())
    }

    /// Returns the highest version of the current member so far.
    fn member_version(&self) -> Result<u64, Rejection> {
        self.version.ok_or(Rejection::BadMember)
    }

    fn rise(&mut self, least: u64, version: u64) -> Result<(), Rejection> {
        if !(least..=COUNT_MAX).contains(&version) {
            return Err(Rejection::BadVersion);
        }
        self.version = Some(version);
        if let (true, Some(claim)) = (self.is_own, &mut self.about_self) {
            claim.max_version = version;
        }
        Ok(())
    }
}

impl SelfClaim {
    pub(super) fn max_version(self) -> u64 {
        self.max_version
    }

    /// Returns `true` if the state is not newer than a version that this member has sent. A higher
    /// `last_gc_version` would make chitchat reset the state.
    pub(super) fn is_within(self, sent_version: u64) -> bool {
        self.max_version <= sent_version && self.last_gc_version <= sent_version
    }
}

/// Reads a key with its value, and returns the version.
fn read_key_value(reader: &mut impl Reader) -> Result<u64, Rejection> {
    let key_bytes = usize::from(reader::read_u16(reader)?);
    if key_bytes > KEY_VALUE_BYTES_MAX {
        return Err(Rejection::LargeValue);
    }
    let key = reader::check_text(reader.peek(key_bytes)?)?;
    // chitchat slices `key[..1]` to find listeners.
    if !key.is_empty() && !key.is_char_boundary(1) {
        return Err(Rejection::BadKey);
    }
    reader.skip(key_bytes);
    let value_bytes = usize::from(reader::read_u16(reader)?);
    if key_bytes.saturating_add(value_bytes) > KEY_VALUE_BYTES_MAX {
        return Err(Rejection::LargeValue);
    }
    reader::check_text(reader.peek(value_bytes)?)?;
    reader.skip(value_bytes);
    let version = reader::read_u64(reader)?;
    if reader::read_u8(reader)? > STATUS_MAX {
        return Err(Rejection::Malformed);
    }
    Ok(version)
}
