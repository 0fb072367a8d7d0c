//! What a node is willing to spend, and the bounds of it.

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::text::is_unprintable;

/// The longest geo, in bytes of UTF-8. The shortest is one byte.
pub const MAX_GEO_BYTES: usize = 64;

/// What a node is willing to spend on cache work.
///
/// A value of this type may break the bounds; [`NodeCapacity::check`] says so. The registry accepts
/// none that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCapacity {
    /// Processor cores. May be zero, unless the other two numbers are zero as well.
    pub cpu_cores: u32,
    /// Memory, in MiB. May be zero, unless the other two numbers are zero as well.
    pub ram_mib: u64,
    /// Disk, in MiB. May be zero, unless the other two numbers are zero as well.
    pub disk_mib: u64,
    /// Where the node is: 1 to [`MAX_GEO_BYTES`] bytes, every character printable. None where the
    /// place is not known.
    pub geo: Option<String>,
}

impl NodeCapacity {
    /// Whether the capacity keeps the bounds.
    ///
    /// # Errors
    ///
    /// The first bound that it breaks.
    pub fn check(&self) -> Result<(), CapacityError> {
        if self.cpu_cores == 0 && self.ram_mib == 0 && self.disk_mib == 0 {
            return Err(CapacityError::AllZero);
        }
        self.geo.as_deref().map_or(Ok(()), check_geo)
    }
}

/// The bound that a capacity breaks. The texts never repeat the capacity's own text: it may be long
/// and may hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CapacityError {
    /// The capacity offers nothing.
    #[error("cpu_cores, ram_mib and disk_mib are all zero; at least one must not be")]
    AllZero,
    /// The geo is empty or too long; the number is its length in bytes.
    #[error("geo must be 1 to {MAX_GEO_BYTES} bytes, got {0}")]
    GeoLength(usize),
    /// The geo holds this control character, separator, or character that changes the direction of
    /// text.
    #[error("geo must be printable, got the character U+{:04X}", u32::from(*.0))]
    GeoCharacter(char),
}

/// Whether a text may be a geo. The length is judged first, so that a long text costs nothing.
pub(crate) fn check_geo(geo: &str) -> Result<(), CapacityError> {
    if geo.is_empty() || geo.len() > MAX_GEO_BYTES {
        return Err(CapacityError::GeoLength(geo.len()));
    }
    match geo.chars().find(|c| is_unprintable(*c)) {
        Some(c) => Err(CapacityError::GeoCharacter(c)),
        None => Ok(()),
    }
}
