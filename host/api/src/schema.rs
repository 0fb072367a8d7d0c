//! OpenAPI schemas of the types of `edge-cache-core`, which knows no OpenAPI.

// The types are only described, never made.
#![allow(dead_code, reason = "utoipa reads the fields at compile time")]

use utoipa::ToSchema;

/// The resources that a node gives to its cache.
#[derive(Debug, ToSchema)]
pub struct NodeCapacity {
    /// Processor cores.
    #[schema(maximum = 4294967295u64)]
    cpu_cores: u32,
    /// Memory, in MiB.
    #[schema(maximum = 18446744073709551615u64)]
    ram_mib: u64,
    /// Disk, in MiB.
    #[schema(maximum = 18446744073709551615u64)]
    disk_mib: u64,
    /// The location of the node: 1 to 64 bytes of printable text.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"
    )]
    geo: Option<String>,
}

/// The cache counters of a node since it was last enabled.
#[derive(Debug, ToSchema)]
pub struct EdgeCacheStats {
    /// Requests that the cache served.
    #[schema(maximum = 18446744073709551615u64)]
    hits: u64,
    /// Requests that went on to the origin.
    #[schema(maximum = 18446744073709551615u64)]
    misses: u64,
}
