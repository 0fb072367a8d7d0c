//! Builds a WebAssembly component from a guest crate.
//!
//! A build script cannot do this, since a nested cargo would wait for the lock of the cargo that runs the
//! script, and a checked-in component would be out of date. Users call the command, and tests call
//! [`build`]. Both get the component of the current sources, within half a second if nothing changed.
//!
//! A guest is a plain library crate, so its logic can be compiled, linted and tested natively. The builder
//! compiles it as a `cdylib` for `wasm32-unknown-unknown`, and encodes the module as a component with the world
//! that wit-bindgen stored in it. The target need not be installed: see [`BuildError::NoCompiler`].

mod builder;
mod compiler;
mod encode;
mod environment;
mod error;
mod guest;
mod handover;
mod invocation;
mod nested;
mod output;
mod probe;
mod report;
mod setup;
mod target;
mod target_dir;
mod workspace;

pub use builder::build;
pub use error::BuildError;
pub use guest::{Built, Guest};
pub use handover::hand_over_to_cargo;
pub use workspace::{build_guest, build_reference_plugin};

#[cfg(test)]
mod tests;
