//! The compilation target of guests.

/// Name of the target. It has no system interface, so a guest imports only what its world contains.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
