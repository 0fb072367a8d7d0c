//! Compares the feature `zlayer` of `edge-cache-host` with ZLayer's native registry.
#![cfg(test)]

mod own_pool;
mod same_answers;

// The native registry's own unit tests, with another `use` line.
include!(concat!(env!("OUT_DIR"), "/native_tests.rs"));
