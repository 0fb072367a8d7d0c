//! Timestamps of the contract.

#[cfg(test)]
mod tests;

const MILLIS_PER_SECOND: u64 = 1_000;
const NANOS_PER_MILLI: u32 = 1_000_000;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// A wall clock time: whole milliseconds since 1970-01-01T00:00:00Z, before the year 10000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_millis: u64,
}

impl Timestamp {
    /// Latest timestamp: 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self {
        unix_millis: 253_402_300_799_999,
    };

    /// Cuts the time of a clock to milliseconds.
    ///
    /// The clock is not trusted: excess nanoseconds count as seconds, and later times become [`MAX`](Self::MAX).
    pub fn cut(seconds: u64, nanoseconds: u32) -> Self {
        let unix_millis = seconds
            .saturating_mul(MILLIS_PER_SECOND)
            .saturating_add(u64::from(nanoseconds / NANOS_PER_MILLI));
        Self { unix_millis }.min(Self::MAX)
    }

    /// Converts a time that must be a timestamp.
    ///
    /// Returns none if the nanoseconds are not whole milliseconds below a second, or from the year 10000 on.
    pub fn exact(seconds: u64, nanoseconds: u32) -> Option<Self> {
        if nanoseconds >= NANOS_PER_SECOND || !nanoseconds.is_multiple_of(NANOS_PER_MILLI) {
            return None;
        }
        let unix_millis = seconds
            .checked_mul(MILLIS_PER_SECOND)?
            .checked_add(u64::from(nanoseconds / NANOS_PER_MILLI))?;
        Self::from_unix_millis(unix_millis)
    }

    /// Converts milliseconds since 1970-01-01T00:00:00Z. Returns none from the year 10000 on.
    pub fn from_unix_millis(unix_millis: u64) -> Option<Self> {
        let timestamp = Self { unix_millis };
        (timestamp <= Self::MAX).then_some(timestamp)
    }

    /// Returns the whole seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> u64 {
        self.unix_millis / MILLIS_PER_SECOND
    }

    /// Returns the nanoseconds within the second: whole milliseconds, below 1,000,000,000.
    pub fn nanoseconds(self) -> u32 {
        let millis = self.unix_millis % MILLIS_PER_SECOND;
        // Below 1,000, so neither step can lose anything.
        u32::try_from(millis)
            .unwrap_or_default()
            .saturating_mul(NANOS_PER_MILLI)
    }
}
