//! Types and traits that `bindgen!` generates from the WIT package.
//!
//! Each interface is linked by its own `add_to_linker`, since the function for the whole world would define
//! the interfaces of WASI a second time.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::expect_used,
    reason = "generated code"
)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "edge-cache-plugin",
    with: {
        "wasi:clocks/wall-clock": wasmtime_wasi::p2::bindings::clocks::wall_clock,
    },
});

pub(crate) use exports::zlayer::edge_cache::{placement, state};
pub(crate) use wasi::logging::logging;
pub(crate) use zlayer::edge_cache::{gossip_labels, types};
