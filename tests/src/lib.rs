//! The harness of the tests and benchmarks: real components, agents and sockets.

pub mod agent;
pub mod bench;
pub mod browser;
pub mod cluster;
pub mod cluster_of_one;
pub mod component;
pub mod composed;
pub mod debian;
pub mod dummy;
pub mod foreign;
pub mod fuzz;
pub mod guide;
pub mod load;
pub mod native;
pub mod openapi;
pub mod plugin_tools;
pub mod policies;
pub mod prometheus;
pub mod proxies;
pub mod reference_checks;
pub mod registry;
pub mod shapes;
pub mod simulation;
pub mod small_disk;
pub mod sse;
pub mod structure;
pub mod terminal;
pub mod token_service;
pub mod wait;

pub use component::reference_plugin;

/// Returns `true` if `EDGE_CACHE_LONG_TESTS=1` requests the long tests.
pub fn long_tests() -> bool {
    std::env::var_os("EDGE_CACHE_LONG_TESTS").is_some_and(|value| value == "1")
}

/// Seeds of a test with random scripts: from `first` on as many as a usual or a long run takes,
/// or the one in `EDGE_CACHE_TEST_SEED`. Every run executes the same ones.
///
/// # Panics
///
/// Where the variable holds no number.
#[allow(clippy::panic, reason = "a test that can't be run as asked for fails")]
pub fn seeds(first: u64, usual: u64, long: u64) -> std::ops::Range<u64> {
    let seeds = match std::env::var("EDGE_CACHE_TEST_SEED") {
        Ok(text) => match text.parse() {
            Ok(seed) => seed..seed + 1,
            Err(_) => panic!("EDGE_CACHE_TEST_SEED must be a number, not {text:?}"),
        },
        Err(_) if long_tests() => first..first + long,
        Err(_) => first..first + usual,
    };
    println!("EDGE_CACHE_TEST_SEED=N repeats one script, of {seeds:?}");
    seeds
}
