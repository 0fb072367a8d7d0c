//! The harness of the tests and benchmarks: real components, built here and run as the agent runs them.

pub mod bench;
pub mod component;

pub use component::reference_plugin;
