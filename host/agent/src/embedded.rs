//! The reference component inside the binary, if it was there when the binary was built.

/// The component's bytes.
#[cfg(embedded_component)]
pub(super) const COMPONENT: Option<&[u8]> = Some(include_bytes!(env!("EDGE_CACHE_EMBEDDED")));
/// None: `cargo component` had not been run.
#[cfg(not(embedded_component))]
pub(super) const COMPONENT: Option<&[u8]> = None;
