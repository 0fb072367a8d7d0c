//! The reference component inside the binary, if it was there when the binary was built.

/// The component's bytes.
#[cfg(embedded_plugin)]
pub(super) const COMPONENT: Option<&[u8]> = Some(include_bytes!(env!("EDGE_CACHE_EMBEDDED")));
/// None: `cargo plugin` had not been run.
#[cfg(not(embedded_plugin))]
pub(super) const COMPONENT: Option<&[u8]> = None;
