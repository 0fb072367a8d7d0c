//! Decisions about nodes, and the rules by which all agents agree on one.
//!
//! An agent publishes each decision in gossip. Of all decisions about a node, one is effective: the one with the highest
//! timestamp, then the highest author, then the greatest bytes. So all agents that have received the same decisions agree,
//! in whatever order they arrived.

use std::cmp::Ordering;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::text;
use crate::types::{EdgeCacheNode, MS_END, NodeCapacity, NodeId, ms_of, time_of};

#[cfg(test)]
mod tests;

/// The year 9000. A clock that shows a later time leaves a thousand years for later decisions.
const NOW_MS_MAX: u64 = 221_845_392_000_000;

/// The timestamp of a decision: milliseconds since the Unix epoch, and a counter in the lowest 16 bits.
///
/// The counter orders decisions about one node within a millisecond, or while the clock is behind the decision that
/// stands.
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

/// A decision about one node. Its serialised form is the value on the wire; the node is in the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The node.
    #[serde(skip)]
    pub node_id: NodeId,
    /// The content.
    #[serde(flatten)]
    pub op: Op,
    /// The timestamp.
    pub at: Timestamp,
    /// The node whose agent made the decision.
    pub by: NodeId,
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
    /// The node, or the timestamp, breaks a bound.
    #[error("the decision breaks a bound: {0}")]
    Bound(String),
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
        time_of(self.ms())
    }

    /// Returns the timestamp of a decision that is made now. It beats the decision that stands, whatever the clock says.
    pub fn after(standing: Option<Self>, now_ms: u64) -> Self {
        let now = Self::at_ms(now_ms.min(NOW_MS_MAX));
        standing.map_or(now, |standing| now.max(Self(standing.0.saturating_add(1))))
    }

    /// Checks that the time is before the year 10000.
    ///
    /// # Errors
    ///
    /// The text names the bound.
    pub fn check(self) -> Result<(), String> {
        if self.ms() >= MS_END {
            return Err("the timestamp must be before the year 10000".to_string());
        }
        Ok(())
    }
}

impl From<Timestamp> for u64 {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
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
            enabled_at: time_of(*enabled_at_ms),
        })
    }

    /// Tells whether the decision enables its node.
    #[must_use]
    pub fn enables(&self) -> bool {
        matches!(self.op, Op::Enable { .. })
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
        // Numbers and text always encode.
        serde_json::to_string(self).unwrap_or_default()
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
        let decision: Self = serde_json::from_str(value).map_err(|error| {
            DecisionError::Json(text::clean(&error.to_string(), text::ERROR_BYTES_MAX))
        })?;
        let decision = Self {
            node_id,
            ..decision
        };
        decision.check().map_err(DecisionError::Bound)?;
        Ok(decision)
    }

    /// Checks the bounds of the timestamp and of the node.
    ///
    /// # Errors
    ///
    /// The text names the bound.
    pub fn check(&self) -> Result<(), String> {
        self.at.check()?;
        self.enabled().map_or(Ok(()), |node| node.check())
    }
}
