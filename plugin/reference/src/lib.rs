//! The reference plugin, built: components of WebAssembly as bytes, for hosts and tools that carry them inside.
//!
//! The crate also has the WIT packages that plugins and policies implement. The crate compiles nothing and knows no wasm
//! runtime. In a checkout, `cargo plugin` builds the components; a
//! crate that was compiled before has none. A published package always contains them.
//!
//! ```
//! let plugin = edge_cache_reference::PLUGIN.ok_or("run `cargo plugin` and build again")?;
//! assert!(plugin.starts_with(b"\0asm"));
//! # Ok::<(), &str>(())
//! ```

/// The reference plugin, a component of the world `zlayer:edge-cache/edge-cache-plugin`.
pub const PLUGIN: Option<&[u8]> = {
    #[cfg(has_plugin)]
    let bytes = Some(include_bytes!(env!("PLUGIN_FILE")).as_slice());
    #[cfg(not(has_plugin))]
    let bytes = None;
    bytes
};

/// The reference plugin in the form that imports `zlayer:edge-cache-policy/policy`; no host runs this form itself.
pub const COMPOSABLE: Option<&[u8]> = {
    #[cfg(has_composable)]
    let bytes = Some(include_bytes!(env!("COMPOSABLE_FILE")).as_slice());
    #[cfg(not(has_composable))]
    let bytes = None;
    bytes
};

/// The files of the WIT package `zlayer:edge-cache`, with what it depends on: paths and contents.
pub const WIT: [(&str, &str); 9] = [
    ("types.wit", include_str!("../wit/types.wit")),
    ("registry.wit", include_str!("../wit/registry.wit")),
    ("state.wit", include_str!("../wit/state.wit")),
    ("placement.wit", include_str!("../wit/placement.wit")),
    (
        "gossip-labels.wit",
        include_str!("../wit/gossip-labels.wit"),
    ),
    ("world.wit", include_str!("../wit/world.wit")),
    ("deps/clocks.wit", include_str!("../wit/deps/clocks.wit")),
    ("deps/config.wit", include_str!("../wit/deps/config.wit")),
    ("deps/logging.wit", include_str!("../wit/deps/logging.wit")),
];

/// The files of the WIT package `zlayer:edge-cache-policy` that a policy needs, over [`WIT`]: all but the world of
/// [`COMPOSABLE`].
pub const POLICY_WIT: [(&str, &str); 2] = [
    ("policy.wit", include_str!("../wit/policy/policy.wit")),
    ("world.wit", include_str!("../wit/policy/world.wit")),
];
