//! The harness of the tests and benchmarks: real components, agents and sockets.

pub mod agent;
pub mod bench;
pub mod cluster;
pub mod cluster_of_one;
pub mod component;
pub mod dummy;
pub mod native;
pub mod simulation;
pub mod small_disk;
pub mod wait;

pub use component::reference_plugin;

/// Whether the tests that take long are asked for, by `EDGE_CACHE_LONG_TESTS=1`.
pub fn long_tests() -> bool {
    std::env::var_os("EDGE_CACHE_LONG_TESTS").is_some_and(|value| value == "1")
}
