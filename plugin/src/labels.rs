//! The labels of an edge cache: their keys, and their one writer and one reader.
//!
//! Nobody else in this crate sees a raw label value. Numbers are read exactly as they are written,
//! digits only and without leading zeros: one capacity has one set of labels, and two readers can't
//! disagree about a value such as `+8` or `08`.

#[cfg(test)]
mod tests;

use std::str::FromStr;

use thiserror::Error;

use crate::capacity::{CapacityError, NodeCapacity, check_geo};

/// Says that the node is an edge cache: `true`.
pub const LABEL_EDGE_CACHE: &str = "edge_cache";
/// The processor cores: a decimal integer of 32 bits.
pub const LABEL_CPU: &str = "edge_cache_cpu";
/// The disk, in MiB: a decimal integer of 64 bits.
pub const LABEL_DISK_MIB: &str = "edge_cache_disk_mib";
/// Where the node is; absent where the place is not known.
pub const LABEL_GEO: &str = "edge_cache_geo";
/// The memory, in MiB: a decimal integer of 64 bits.
pub const LABEL_RAM_MIB: &str = "edge_cache_ram_mib";

/// The one value of [`LABEL_EDGE_CACHE`] that makes a node an edge cache.
const EDGE_CACHE_TRUE: &str = "true";

/// One label of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What the label is about.
    pub key: String,
    /// What it says.
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

/// The labels of a node that offers this capacity, in ascending order of key.
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

/// The capacity that a node advertises in its labels.
///
/// Unlike a [`NodeCapacity`] that was checked, its three numbers may all be zero: other software may
/// advertise that, and it is no reason to pass the node over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisedCapacity {
    /// Processor cores.
    pub cpu_cores: u32,
    /// Memory, in MiB.
    pub ram_mib: u64,
    /// Disk, in MiB.
    pub disk_mib: u64,
    /// Where the node is, within the bounds of a capacity's geo.
    pub geo: Option<String>,
}

impl AdvertisedCapacity {
    /// Reads the labels of a node, those of other software included. None where the node says
    /// nothing about being an edge cache, or anything else than `true`.
    ///
    /// # Errors
    ///
    /// The node says that it is an edge cache, but a label that belongs to that is missing or can't
    /// be read.
    pub fn from_labels(labels: &[Label]) -> Result<Option<Self>, LabelFault> {
        if find(labels, LABEL_EDGE_CACHE) != Some(EDGE_CACHE_TRUE) {
            return Ok(None);
        }
        Ok(Some(Self {
            cpu_cores: number(labels, LABEL_CPU)?,
            ram_mib: number(labels, LABEL_RAM_MIB)?,
            disk_mib: number(labels, LABEL_DISK_MIB)?,
            geo: geo(labels)?,
        }))
    }
}

/// Why the labels of a node that calls itself an edge cache can't be used. The texts name the key
/// and never repeat the value: it comes from another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LabelFault {
    /// The label with this key is not there.
    #[error("label {0} is missing")]
    Missing(&'static str),
    /// The value of the label with this key is no number, too large a one, or one written otherwise
    /// than with digits alone and without leading zeros.
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

/// Whether a text is written as `Display` writes an unsigned integer of any size.
fn is_canonical(text: &str) -> bool {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    !text.is_empty() && !leading_zero && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The contract gives each key at most once, so the first is the only one.
fn find<'a>(labels: &'a [Label], key: &str) -> Option<&'a str> {
    labels
        .iter()
        .find(|label| label.key == key)
        .map(|label| label.value.as_str())
}
