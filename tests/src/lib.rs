//! The harness of the tests and benchmarks: real components, agents and sockets.

pub mod agent;
pub mod bench;
pub mod component;
pub mod dummy;
pub mod native;
pub mod wait;

pub use component::reference_plugin;
