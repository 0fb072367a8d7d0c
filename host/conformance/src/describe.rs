//! Descriptions of values and of their differences, for people.
//!
//! The author of a plugin reads them, who need not know Rust's debug format.

use std::time::SystemTime;

use edge_cache_core::EdgeCacheError;
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, NodeCapacity};
use edge_cache_routing::Candidate;

use crate::registry::Violation;

/// Largest number of list items in a description.
const ITEMS_MAX: usize = 8;

/// Compares a found value with the expected one.
///
/// # Errors
///
/// The values differ; the text names the value and the difference.
pub fn expect_eq<T: PartialEq + Describe>(
    name: &str,
    found: &T,
    expected: &T,
) -> Result<(), Violation> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{name} {}", found.difference_from(expected)))
}

/// A value that a registry answers with.
pub trait Describe {
    /// Describes the value.
    fn describe(&self) -> String;

    /// Describes how `self` differs from the `expected` value.
    fn difference_from(&self, expected: &Self) -> String {
        format!("must be {}, found {}", expected.describe(), self.describe())
    }
}

impl Describe for () {
    fn describe(&self) -> String {
        "success".to_string()
    }
}

macro_rules! describe_by_display {
    ($($ty:ty)*) => {$(
        impl Describe for $ty {
            fn describe(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

describe_by_display!(bool u64 usize);

impl Describe for String {
    fn describe(&self) -> String {
        format!("{self:?}")
    }
}

impl Describe for SystemTime {
    fn describe(&self) -> String {
        jiff::Timestamp::try_from(*self)
            .map_or_else(|_| format!("{self:?}"), |time| time.to_string())
    }
}

impl Describe for NodeCapacity {
    fn describe(&self) -> String {
        let geo = match &self.geo {
            Some(geo) => format!("in {geo:?}"),
            None => "without a geo".to_string(),
        };
        format!(
            "{} cores, {} MiB RAM and {} MiB disk {geo}",
            self.cpu_cores, self.ram_mib, self.disk_mib
        )
    }
}

impl Describe for EdgeCacheNode {
    fn describe(&self) -> String {
        format!(
            "node {} with {}, enabled at {}",
            self.node_id,
            self.capacity.describe(),
            self.enabled_at.describe()
        )
    }
}

impl Describe for EdgeCacheStats {
    fn describe(&self) -> String {
        format!("{} hits and {} misses", self.hits, self.misses)
    }
}

impl Describe for Candidate {
    fn describe(&self) -> String {
        match &self.geo {
            Some(geo) => format!("the weight {} in {geo:?}", self.weight),
            None => format!("the weight {} without a geo", self.weight),
        }
    }
}

impl Describe for Labels {
    fn describe(&self) -> String {
        if self.is_empty() {
            return "no labels".to_string();
        }
        let pairs = self.iter().map(|(key, value)| format!("{key}={value:?}"));
        format!("the labels {}", pairs.collect::<Vec<_>>().join(", "))
    }
}

impl Describe for EdgeCacheError {
    fn describe(&self) -> String {
        match self {
            Self::Gossip(reason) => format!("gossip({reason:?})"),
            Self::NodeNotFound(node_id) => format!("node-not-found({node_id})"),
            Self::InvalidCapacity(reason) => format!("invalid-capacity({reason:?})"),
            other => other.to_string(),
        }
    }
}

impl<T: Describe> Describe for Option<T> {
    fn describe(&self) -> String {
        self.as_ref()
            .map_or_else(|| "none".to_string(), T::describe)
    }
}

impl<T: Describe, E: Describe> Describe for Result<T, E> {
    fn describe(&self) -> String {
        match self {
            Ok(value) => value.describe(),
            Err(error) => format!("the error {}", error.describe()),
        }
    }
}

impl<T: Describe> Describe for Vec<T> {
    fn describe(&self) -> String {
        if self.is_empty() {
            return "empty".to_string();
        }
        let mut items: Vec<String> = self.iter().take(ITEMS_MAX).map(T::describe).collect();
        let more = self.len().saturating_sub(items.len());
        if more > 0 {
            items.push(format!("{more} more"));
        }
        format!("[{}]", items.join("; "))
    }
}

#[cfg(test)]
mod tests;
