//! Readings: copies of chitchat's state of single members, taken under its lock.

use chitchat::{ChitchatId, Version};
use tokio::time::Instant;

use crate::info::InfoError;

/// The liveness of a member by chitchat's failure detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    Live,
    /// No recent heartbeats, or none yet.
    Silent,
}

/// A member's state, read while chitchat's state was locked.
#[derive(Debug)]
pub(crate) struct MemberReading {
    pub(crate) id: ChitchatId,
    pub(crate) liveness: Liveness,
    pub(crate) record: RecordReading,
    /// Keys of other members that this member has written, as excerpts.
    pub(crate) foreign_keys: Vec<(String, Version)>,
}

/// A member's own record, as read.
#[derive(Debug)]
pub(crate) enum RecordReading {
    /// The member has no record.
    Absent,
    /// The record has the version that the directory knows.
    Known,
    /// The record has another version. A value over the size limit is not copied.
    New(Version, Result<String, InfoError>),
}

/// The current time by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Nanoseconds since the Unix epoch, the unit of generations.
    pub(crate) unix_ns: u64,
    pub(crate) instant: Instant,
}
