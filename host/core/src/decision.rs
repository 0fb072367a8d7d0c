//! DecisionCounts about nodes, as they travel between agents, and which of two wins.
//!
//! An agent that takes a decision about any node tells all others, and every agent must come to the
//! same registry, in whatever order it hears of them. So decisions are ordered by when they were
//! taken and then by who took them, and of all about a node the highest stands. A disabled node's
//! decision is kept like any other: forgotten, it would let an older one win.
//!
//! Everything here is plain values: no clock is asked and nothing is sent.

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

/// When a decision was taken: milliseconds since the Unix epoch, and a counter in the lowest 16 bits
/// that tells apart what one agent decides within a millisecond, or before its clock has caught up
/// with what it has heard from others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

/// What was decided about a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Op {
    /// The node is eligible.
    Enable {
        /// What it gives.
        capacity: NodeCapacity,
        /// When it was enabled, in milliseconds since the Unix epoch.
        enabled_at_ms: u64,
    },
    /// The node is not eligible.
    Disable {},
}

/// A decision about one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The node that it is about.
    pub node_id: NodeId,
    /// What was decided.
    pub op: Op,
    /// When it was decided.
    pub at: Timestamp,
    /// The node whose agent decided.
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

/// Why a value is no decision. It is ignored.
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
    /// The time can not be represented.
    #[error("the decision enables a node at a time out of range")]
    Time,
}

impl Timestamp {
    const COUNTER_BITS: u32 = 16;

    /// The first stamp of a millisecond.
    pub fn at_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1 << Self::COUNTER_BITS))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn ms(self) -> u64 {
        self.0 >> Self::COUNTER_BITS
    }

    /// The time, to the millisecond.
    #[must_use]
    pub fn time(self) -> SystemTime {
        // 48 bits of milliseconds end in the year 10,889.
        UNIX_EPOCH
            .checked_add(Duration::from_millis(self.ms()))
            .unwrap_or(UNIX_EPOCH)
    }

    /// The one after it.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Decision {
    /// The largest value, in bytes.
    pub const BYTES_MAX: usize = 512;

    /// That a node was enabled.
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

    /// That a node was disabled.
    pub fn disable(node_id: NodeId, at: Timestamp, by: NodeId) -> Self {
        Self {
            node_id,
            op: Op::Disable {},
            at,
            by,
        }
    }

    /// The node as it is enabled by this.
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

    /// Whether this stands where both are known. Of two different ones by the same agent at the same
    /// time, which only a defect makes, all agents choose the same.
    pub fn beats(&self, other: &Self) -> bool {
        let order = (self.at, self.by).cmp(&(other.at, other.by));
        order.then_with(|| self.encode().cmp(&other.encode())) == Ordering::Greater
    }

    /// The value as it travels.
    pub fn encode(&self) -> String {
        let wire = Wire {
            op: self.op.clone(),
            at: self.at,
            by: self.by,
        };
        // Numbers and text: nothing in it can't be written.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Reads a value that has travelled.
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
    /// What it is called on the wire.
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

/// Milliseconds since the Unix epoch; 0 before it.
pub fn ms_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
