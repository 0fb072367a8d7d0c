//! Decisions about nodes, and the rules by which all agents agree on one.
//!
//! An agent publishes each decision in gossip. Of all decisions about a node, one is effective: the one with the highest
//! timestamp, then the highest author, then the greatest bytes. So all agents that have received the same decisions agree,
//! in whatever order they arrived.

mod clock;
mod effective;

use std::cmp::Ordering;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::text;
use crate::{EdgeCacheNode, NodeCapacity, NodeId};

pub use self::clock::{AHEAD_MAX_MS, HybridClock};
pub use self::effective::{DecisionCounts, EffectiveDecision, EffectiveDecisions};

#[cfg(test)]
mod tests;

/// The timestamp of a decision: milliseconds since the Unix epoch, and a counter in the lowest 16 bits.
///
/// The counter orders decisions of one agent within a millisecond, or while its clock is behind timestamps that it has
/// received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

/// The content of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Op {
    /// The node is eligible.
    Enable {
        /// The capacity of the node.
        capacity: NodeCapacity,
        /// The time at which it was enabled, in milliseconds since the Unix epoch.
        enabled_at_ms: u64,
    },
    /// The node is not eligible.
    Disable {},
}

/// A decision about one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The node.
    pub node_id: NodeId,
    /// The content.
    pub op: Op,
    /// The timestamp.
    pub at: Timestamp,
    /// The node whose agent made the decision.
    pub by: NodeId,
}

/// The value of a decision on the wire; the node is in its key.
#[derive(Debug, Serialize, Deserialize)]
struct Wire {
    #[serde(flatten)]
    op: Op,
    at: Timestamp,
    by: NodeId,
}

/// An error of decoding a decision. The value is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecisionError {
    /// The value is longer than [`Decision::BYTES_MAX`].
    #[error(
        "the decision takes {bytes} bytes, the limit is {}",
        Decision::BYTES_MAX
    )]
    TooLarge {
        /// The length of the value.
        bytes: usize,
    },
    /// The value is not the expected JSON.
    #[error("the decision is not the expected JSON: {0}")]
    Json(String),
    /// The capacity breaks a bound.
    #[error("the decision enables a node with a capacity that breaks a bound: {0}")]
    Capacity(String),
    /// The time of enabling cannot be represented.
    #[error("the decision enables a node at a time out of range")]
    Time,
}

impl Timestamp {
    const COUNTER_BITS: u32 = 16;

    /// Returns the first timestamp of a millisecond.
    pub fn at_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1 << Self::COUNTER_BITS))
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub fn ms(self) -> u64 {
        self.0 >> Self::COUNTER_BITS
    }

    /// Returns the time, to the millisecond.
    #[must_use]
    pub fn time(self) -> SystemTime {
        // 48 bits of milliseconds end in the year 10,889.
        UNIX_EPOCH
            .checked_add(Duration::from_millis(self.ms()))
            .unwrap_or(UNIX_EPOCH)
    }

    /// Returns the next timestamp.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Decision {
    /// The largest value, in bytes.
    pub const BYTES_MAX: usize = 512;

    /// Creates the decision that enables a node.
    pub fn enable(node: &EdgeCacheNode, at: Timestamp, by: NodeId) -> Self {
        Self {
            node_id: node.node_id,
            op: Op::Enable {
                capacity: node.capacity.clone(),
                enabled_at_ms: ms_of(node.enabled_at),
            },
            at,
            by,
        }
    }

    /// Creates the decision that disables a node.
    pub fn disable(node_id: NodeId, at: Timestamp, by: NodeId) -> Self {
        Self {
            node_id,
            op: Op::Disable {},
            at,
            by,
        }
    }

    /// Returns the node as the decision enables it; `None` for a disabling one.
    #[must_use]
    pub fn enabled(&self) -> Option<EdgeCacheNode> {
        let Op::Enable {
            capacity,
            enabled_at_ms,
        } = &self.op
        else {
            return None;
        };
        Some(EdgeCacheNode {
            node_id: self.node_id,
            capacity: capacity.clone(),
            enabled_at: UNIX_EPOCH.checked_add(Duration::from_millis(*enabled_at_ms))?,
        })
    }

    /// Tells whether this decision takes precedence over another about the same node: by timestamp, then by author, then
    /// by encoded bytes.
    ///
    /// Only a defect creates two decisions of one author with one timestamp; all agents then choose the same.
    pub fn beats(&self, other: &Self) -> bool {
        let order = (self.at, self.by).cmp(&(other.at, other.by));
        order.then_with(|| self.encode().cmp(&other.encode())) == Ordering::Greater
    }

    /// Encodes the decision for gossip.
    pub fn encode(&self) -> String {
        let wire = Wire {
            op: self.op.clone(),
            at: self.at,
            by: self.by,
        };
        // Numbers and text always encode.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Decodes a value from gossip.
    ///
    /// # Errors
    ///
    /// Any [`DecisionError`].
    pub fn decode(node_id: NodeId, value: &str) -> Result<Self, DecisionError> {
        if value.len() > Self::BYTES_MAX {
            return Err(DecisionError::TooLarge { bytes: value.len() });
        }
        let Wire { op, at, by } = serde_json::from_str(value).map_err(|error| {
            DecisionError::Json(text::clean(&error.to_string(), text::ERROR_BYTES_MAX))
        })?;
        if let Op::Enable { capacity, .. } = &op {
            capacity.check().map_err(DecisionError::Capacity)?;
        }
        let decision = Self {
            node_id,
            op,
            at,
            by,
        };
        if matches!(decision.op, Op::Enable { enabled_at_ms, .. } if enabled_at_ms > Timestamp(u64::MAX).ms())
        {
            return Err(DecisionError::Time);
        }
        Ok(decision)
    }
}

impl Op {
    /// Returns the name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Enable { .. } => "enable",
            Self::Disable {} => "disable",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Returns the milliseconds since the Unix epoch; 0 before it.
pub fn ms_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
