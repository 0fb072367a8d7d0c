//! Conversion between the types of `wit/` and those of the registry.

#[cfg(test)]
mod tests;

use super::bindings::exports::zlayer::edge_cache::{placement, state};
use super::bindings::wasi::clocks::wall_clock::Datetime;
use super::bindings::zlayer::edge_cache::{gossip_labels, types};
#[cfg(feature = "composable")]
use super::bindings::zlayer::edge_cache_policy::policy;
use crate::{
    Candidate, Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, Label, LabelError,
    NodeCapacity, Refusal, Timestamp,
};

/// Implements `From` for records of the same fields.
macro_rules! convert_records {
    ($($from:ty => $to:ty { $($field:ident),* };)*) => {$(
        impl From<$from> for $to {
            fn from(from: $from) -> Self {
                Self { $($field: from.$field),* }
            }
        }
    )*};
}

convert_records! {
    types::NodeCapacity => NodeCapacity { cpu_cores, ram_mib, disk_mib, geo };
    NodeCapacity => types::NodeCapacity { cpu_cores, ram_mib, disk_mib, geo };
    types::EdgeCacheStats => EdgeCacheStats { hits, misses };
    EdgeCacheStats => types::EdgeCacheStats { hits, misses };
    types::Label => Label { key, value };
    Label => types::Label { key, value };
    Candidate => placement::Candidate { weight, geo };
}

#[cfg(feature = "composable")]
convert_records! {
    Candidate => policy::Candidate { weight, geo };
    policy::Candidate => Candidate { weight, geo };
}

impl From<EdgeCacheNode> for types::EdgeCacheNode {
    fn from(node: EdgeCacheNode) -> Self {
        Self {
            node_id: node.node_id,
            capacity: node.capacity.into(),
            enabled_at: Datetime {
                seconds: node.enabled_at.seconds(),
                nanoseconds: node.enabled_at.nanoseconds(),
            },
        }
    }
}

impl TryFrom<types::EdgeCacheNode> for EdgeCacheNode {
    type Error = Refusal;

    fn try_from(node: types::EdgeCacheNode) -> Result<Self, Refusal> {
        let Datetime {
            seconds,
            nanoseconds,
        } = node.enabled_at;
        Ok(Self {
            node_id: node.node_id,
            capacity: node.capacity.into(),
            enabled_at: Timestamp::exact(seconds, nanoseconds)
                .ok_or(Refusal::EnabledAt(node.node_id))?,
        })
    }
}

impl TryFrom<types::Entry> for Entry {
    type Error = Refusal;

    fn try_from(entry: types::Entry) -> Result<Self, Refusal> {
        Ok(Self {
            node: entry.node.try_into()?,
            stats: entry.stats.into(),
        })
    }
}

impl TryFrom<state::Change> for Change {
    type Error = Refusal;

    fn try_from(change: state::Change) -> Result<Self, Refusal> {
        Ok(match change {
            state::Change::Put(entry) => Self::Put(entry.try_into()?),
            state::Change::Remove(node_id) => Self::Remove(node_id),
        })
    }
}

impl From<gossip_labels::LabelError> for LabelError {
    fn from(error: gossip_labels::LabelError) -> Self {
        match error {
            gossip_labels::LabelError::Denied(reason) => Self::Denied(reason),
            gossip_labels::LabelError::TooLarge(limit) => Self::TooLarge(limit),
            gossip_labels::LabelError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<EdgeCacheError> for types::EdgeCacheError {
    fn from(error: EdgeCacheError) -> Self {
        match error {
            EdgeCacheError::Gossip(reason) => Self::Gossip(reason),
            EdgeCacheError::NodeNotFound(node_id) => Self::NodeNotFound(node_id),
            EdgeCacheError::InvalidCapacity(reason) => Self::InvalidCapacity(reason),
        }
    }
}
