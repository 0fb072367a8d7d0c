//! The labels of an edge cache: keys, writing and reading.
//!
//! No other code in this crate uses raw label values. Numbers consist of digits without leading zeros, so a
//! capacity has exactly one set of labels, and readers agree about values such as `+8` or `08`.

#[cfg(test)]
mod tests;

use std::str::FromStr;

use thiserror::Error;

use crate::capacity::{CapacityError, NodeCapacity, check_geo};

/// Marks the node as an edge cache: `true`.
pub const LABEL_EDGE_CACHE: &str = "edge_cache";
/// Processor cores: a decimal integer of 32 bits.
pub const LABEL_CPU: &str = "edge_cache_cpu";
/// Disk, in MiB: a decimal integer of 64 bits.
pub const LABEL_DISK_MIB: &str = "edge_cache_disk_mib";
/// Location of the node; absent if it is not known.
pub const LABEL_GEO: &str = "edge_cache_geo";
/// Memory, in MiB: a decimal integer of 64 bits.
pub const LABEL_RAM_MIB: &str = "edge_cache_ram_mib";

/// Value of [`LABEL_EDGE_CACHE`] that marks a node as an edge cache.
const EDGE_CACHE_TRUE: &str = "true";

/// A label of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

impl Label {
    fn new(key: &str, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// Returns the labels for a capacity, in ascending order of key.
pub fn capacity_labels(capacity: &NodeCapacity) -> Vec<Label> {
    let mut labels = vec![
        Label::new(LABEL_EDGE_CACHE, EDGE_CACHE_TRUE),
        Label::new(LABEL_CPU, capacity.cpu_cores.to_string()),
        Label::new(LABEL_DISK_MIB, capacity.disk_mib.to_string()),
    ];
    if let Some(geo) = &capacity.geo {
        labels.push(Label::new(LABEL_GEO, geo.as_str()));
    }
    labels.push(Label::new(LABEL_RAM_MIB, capacity.ram_mib.to_string()));
    labels
}

/// Reads the capacity in the labels of a node, among which may be labels of other software.
///
/// Returns none if [`LABEL_EDGE_CACHE`] is absent or not `true`. All three numbers may be zero, as other software may
/// advertise.
///
/// # Errors
///
/// The node is marked as an edge cache, but another label is missing or invalid.
pub fn advertised_capacity(labels: &[Label]) -> Result<Option<NodeCapacity>, LabelFault> {
    if find(labels, LABEL_EDGE_CACHE) != Some(EDGE_CACHE_TRUE) {
        return Ok(None);
    }
    Ok(Some(NodeCapacity {
        cpu_cores: number(labels, LABEL_CPU)?,
        ram_mib: number(labels, LABEL_RAM_MIB)?,
        disk_mib: number(labels, LABEL_DISK_MIB)?,
        geo: geo(labels)?,
    }))
}

/// A missing or invalid label of an edge cache.
///
/// The texts name the key and never repeat the value, which comes from another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LabelFault {
    /// The label with this key is missing.
    #[error("label {0} is missing")]
    Missing(&'static str),
    /// The value of the label with this key is not a number, is too large, or is not written as digits
    /// without leading zeros.
    #[error("label {0} is not a decimal integer within its range")]
    Number(&'static str),
    /// The geo breaks the bounds of a capacity's geo.
    #[error("label {LABEL_GEO}: {0}")]
    Geo(CapacityError),
}

fn geo(labels: &[Label]) -> Result<Option<String>, LabelFault> {
    let Some(geo) = find(labels, LABEL_GEO) else {
        return Ok(None);
    };
    check_geo(geo).map_err(LabelFault::Geo)?;
    Ok(Some(geo.into()))
}

fn number<N: FromStr>(labels: &[Label], key: &'static str) -> Result<N, LabelFault> {
    let value = find(labels, key).ok_or(LabelFault::Missing(key))?;
    if !is_canonical(value) {
        return Err(LabelFault::Number(key));
    }
    value.parse().map_err(|_| LabelFault::Number(key))
}

/// Returns whether a text is written as `Display` writes an unsigned integer of any size.
fn is_canonical(text: &str) -> bool {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    !text.is_empty() && !leading_zero && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the value of a key, which the contract allows only once.
fn find<'a>(labels: &'a [Label], key: &str) -> Option<&'a str> {
    labels
        .iter()
        .find(|label| label.key == key)
        .map(|label| label.value.as_str())
}
