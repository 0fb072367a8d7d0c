//! Deltas: updates of members' states, as a sequence of operations.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::digest::MemberSet;
use super::protocol::{COUNT_MAX, KEY_VALUE_BYTES_MAX, MEMBERS_MAX, OPS_MAX};
use super::reader::Bytes;
use super::state_budget::{StateBudget, Update};
use crate::drop_reason::DropReason;

/// Highest status code: set, deleted, deleted after a TTL.
const STATUS_MAX: u8 = 2;

/// Maximum size of an operation: a key and its value, with their lengths, version and status.
const OP_BYTES_MAX: usize = KEY_VALUE_BYTES_MAX + 64;

#[derive(Debug, Default)]
pub(super) struct Delta {
    /// State of the own member.
    pub(super) own: Option<Claim>,
    /// The other members, in their order.
    pub(super) updates: Vec<Update>,
}

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

/// Reads a delta. One that was cut ends before its first incomplete operation: what comes before is valid
/// by itself.
pub(super) fn read(
    ops: &[u8],
    is_cut: bool,
    own_id: &[u8],
    hashes: &RandomState,
) -> Result<Delta, DropReason> {
    let mut delta = Delta::default();
    let read = read_ops(Bytes(ops), &mut delta, own_id, hashes);
    let end = delta.updates.last().map_or(0, |update| update.end);
    let is_incomplete = is_cut && ops.len().saturating_sub(end) <= OP_BYTES_MAX;
    match read {
        Err(DropReason::Malformed) if is_incomplete => Ok(delta),
        read => read.map(|()| delta),
    }
}

fn read_ops(
    mut bytes: Bytes<'_>,
    delta: &mut Delta,
    own_id: &[u8],
    hashes: &RandomState,
) -> Result<(), DropReason> {
    let all_bytes = bytes.0.len();
    let place = |rest: &Bytes<'_>| all_bytes.saturating_sub(rest.0.len());
    let mut members = MemberSet::default();
    let mut ops = 0_usize;
    let mut member: Option<Claim> = None;
    while !bytes.0.is_empty() {
        ops = ops.saturating_add(1);
        if ops > OPS_MAX {
            return Err(DropReason::TooManyOps);
        }
        let start = place(&bytes);
        let op = bytes.u8()?;
        if op == 0 {
            let id = bytes.member_id()?;
            let hash = hashes.hash_one(id);
            if !members.insert(hash) {
                return Err(DropReason::BadMember);
            }
            if members.len() > MEMBERS_MAX {
                return Err(DropReason::TooManyMembers);
            }
            member = Some(read_member(&mut bytes, id == own_id)?);
            delta.updates.push(Update {
                member: hash,
                head: start..place(&bytes),
                end: 0,
                max_version: 0,
                cost: 0,
            });
        } else {
            let claim = member.as_mut().ok_or(DropReason::BadMember)?;
            let (least, (version, cost)) = match op {
                // chitchat ignores a delta that repeats a version.
                1 => (
                    claim.max_version.saturating_add(1),
                    read_key_value(&mut bytes)?,
                ),
                // chitchat asserts that this is not below the version of the last key.
                2 => (claim.max_version, (bytes.u64()?, 0)),
                _ => return Err(DropReason::Malformed),
            };
            if !(least..=COUNT_MAX).contains(&version) {
                return Err(DropReason::BadVersion);
            }
            claim.max_version = version;
            if let Some(update) = delta.updates.last_mut() {
                update.max_version = version;
                update.cost = update.cost.saturating_add(cost);
            }
        }
        if let Some(update) = delta.updates.last_mut() {
            update.end = place(&bytes);
        }
        delta.own = member.filter(|claim| claim.is_own).or(delta.own);
    }
    Ok(())
}

/// Copies the operations of a delta without the values of refused updates.
///
/// Their highest versions stay: peers would send the values again and again otherwise, and so little
/// else.
pub(super) fn without(ops: &[u8], updates: &[Update], refused: &[bool]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(ops.len());
    for (update, refused) in updates.iter().zip(refused) {
        let end = if *refused {
            update.head.end
        } else {
            update.end
        };
        kept.extend_from_slice(ops.get(update.head.start..end).unwrap_or_default());
        if *refused {
            kept.push(2);
            kept.extend_from_slice(&update.max_version.to_le_bytes());
        }
    }
    kept
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

/// Reads a key with its value. Returns the version, and the memory that they need.
fn read_key_value(bytes: &mut Bytes<'_>) -> Result<(u64, usize), DropReason> {
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
    Ok((version, StateBudget::cost(key_bytes, value_bytes)))
}
