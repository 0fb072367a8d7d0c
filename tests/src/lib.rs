//! The harness of the tests and benchmarks: real components, agents and sockets.

pub mod bench;
pub mod component;
pub mod native;

pub use component::reference_plugin;
