//! Builds a WebAssembly component from a guest crate.
//!
//! A build script cannot do this, since a nested cargo would wait for the lock of the cargo that runs the
//! script, and a checked-in component would be out of date. Users call the command, and tests call
//! [`build`]. Both get the component of the current sources, within half a second if nothing changed.
//!
//! A guest is a plain library crate, so its logic can be compiled, linted and tested natively. The builder
//! compiles it as a `cdylib` for `wasm32-unknown-unknown`, and encodes the module as a component with the world
//! that wit-bindgen stored in it.

mod build;
mod cargo;
mod compiler;
mod environment;
mod output;

pub use build::{Built, build, build_guest, build_reference_plugin};
pub use environment::{cargo, hand_over_to_cargo};

#[cfg(test)]
mod tests;
