//! The capacity of a node, and its bounds.

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::text::is_unprintable;

/// Longest geo, in bytes of UTF-8. The shortest has one byte.
pub const MAX_GEO_BYTES: usize = 64;

/// Resources that a node offers for cache work.
///
/// A value may break the bounds until [`NodeCapacity::check`] has accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCapacity {
    /// Processor cores. May be zero, unless the other two numbers are zero as well.
    pub cpu_cores: u32,
    /// Memory, in MiB. May be zero, unless the other two numbers are zero as well.
    pub ram_mib: u64,
    /// Disk, in MiB. May be zero, unless the other two numbers are zero as well.
    pub disk_mib: u64,
    /// Location of the node: 1 to [`MAX_GEO_BYTES`] bytes of printable text. None if it is not known.
    pub geo: Option<String>,
}

impl NodeCapacity {
    /// Checks the bounds.
    ///
    /// # Errors
    ///
    /// The first broken bound.
    pub fn check(&self) -> Result<(), CapacityError> {
        if self.cpu_cores == 0 && self.ram_mib == 0 && self.disk_mib == 0 {
            return Err(CapacityError::AllZero);
        }
        self.geo.as_deref().map_or(Ok(()), check_geo)
    }
}

/// A broken bound of a capacity. The texts never repeat the geo, which may be long and hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CapacityError {
    /// All three numbers are zero.
    #[error("cpu_cores, ram_mib and disk_mib are all zero; at least one must not be")]
    AllZero,
    /// The geo is empty or too long; the number is its length in bytes.
    #[error("geo must be 1 to {MAX_GEO_BYTES} bytes, got {0}")]
    GeoLength(usize),
    /// The geo contains this control character, separator or direction mark.
    #[error("geo must be printable, got the character U+{:04X}", u32::from(*.0))]
    GeoCharacter(char),
}

/// Checks a geo. The length is checked first, so a long text costs nothing.
pub(crate) fn check_geo(geo: &str) -> Result<(), CapacityError> {
    if geo.is_empty() || geo.len() > MAX_GEO_BYTES {
        return Err(CapacityError::GeoLength(geo.len()));
    }
    match geo.chars().find(|c| is_unprintable(*c)) {
        Some(c) => Err(CapacityError::GeoCharacter(c)),
        None => Ok(()),
    }
}
