//! The reference plugin inside the binary, if it existed when the binary was built.

/// The plugin's bytes.
#[cfg(embedded_plugin)]
pub(crate) const EMBEDDED_PLUGIN: Option<&[u8]> = Some(include_bytes!(env!("EDGE_CACHE_EMBEDDED")));
/// `None`: `cargo plugin` had not been run.
#[cfg(not(embedded_plugin))]
pub(crate) const EMBEDDED_PLUGIN: Option<&[u8]> = None;
