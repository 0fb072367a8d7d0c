//! Deltas: updates of members' states, as a sequence of operations.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::digest::MemberSet;
use super::protocol::{COUNT_MAX, KEY_VALUE_BYTES_MAX, MEMBERS_MAX, OPS_MAX};
use super::reader::Bytes;
use crate::drop_reason::DropReason;

/// Highest status code: set, deleted, deleted after a TTL.
const STATUS_MAX: u8 = 2;

/// The state of a member in a delta.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    is_own: bool,
    last_gc_version: u64,
    /// Highest version so far.
    pub(super) max_version: u64,
}

impl Claim {
    /// Returns `true` if the state is not newer than a version that this member has sent. A higher
    /// `last_gc_version` would make chitchat reset the state.
    pub(super) fn is_within(self, sent_version: u64) -> bool {
        self.max_version <= sent_version && self.last_gc_version <= sent_version
    }
}

/// Reads a delta, and returns the state of the own member in it.
pub(super) fn read(
    mut bytes: Bytes<'_>,
    own_id: &[u8],
    hashes: &RandomState,
) -> Result<Option<Claim>, DropReason> {
    let mut members = MemberSet::default();
    let mut ops = 0_usize;
    let mut member: Option<Claim> = None;
    let mut own = None;
    while !bytes.0.is_empty() {
        ops = ops.saturating_add(1);
        if ops > OPS_MAX {
            return Err(DropReason::TooManyOps);
        }
        let op = bytes.u8()?;
        if op == 0 {
            let id = bytes.member_id()?;
            if !members.insert(hashes.hash_one(id)) {
                return Err(DropReason::BadMember);
            }
            if members.len() > MEMBERS_MAX {
                return Err(DropReason::TooManyMembers);
            }
            member = Some(read_member(&mut bytes, id == own_id)?);
        } else {
            let claim = member.as_mut().ok_or(DropReason::BadMember)?;
            let (least, version) = match op {
                // chitchat ignores a delta that repeats a version.
                1 => (
                    claim.max_version.saturating_add(1),
                    read_key_value(&mut bytes)?,
                ),
                // chitchat asserts that this is not below the version of the last key.
                2 => (claim.max_version, bytes.u64()?),
                _ => return Err(DropReason::Malformed),
            };
            if !(least..=COUNT_MAX).contains(&version) {
                return Err(DropReason::BadVersion);
            }
            claim.max_version = version;
        }
        own = member.filter(|claim| claim.is_own).or(own);
    }
    Ok(own)
}

fn read_member(bytes: &mut Bytes<'_>, is_own: bool) -> Result<Claim, DropReason> {
    let last_gc_version = bytes.u64()?;
    let from_version = bytes.u64()?;
    if last_gc_version > COUNT_MAX || from_version > COUNT_MAX {
        return Err(DropReason::BadVersion);
    }
    Ok(Claim {
        is_own,
        last_gc_version,
        max_version: 0,
    })
}

/// Reads a key with its value, and returns the version.
fn read_key_value(bytes: &mut Bytes<'_>) -> Result<u64, DropReason> {
    let key_bytes = usize::from(bytes.u16()?);
    if key_bytes > KEY_VALUE_BYTES_MAX {
        return Err(DropReason::LargeValue);
    }
    let key = bytes.text(key_bytes)?;
    // chitchat slices `key[..1]` to find listeners.
    if !key.is_empty() && !key.is_char_boundary(1) {
        return Err(DropReason::BadKey);
    }
    let value_bytes = usize::from(bytes.u16()?);
    if key_bytes.saturating_add(value_bytes) > KEY_VALUE_BYTES_MAX {
        return Err(DropReason::LargeValue);
    }
    bytes.text(value_bytes)?;
    let version = bytes.u64()?;
    if bytes.u8()? > STATUS_MAX {
        return Err(DropReason::Malformed);
    }
    Ok(version)
}
