//! What `bindgen!` makes of the WIT package; the only file that knows the macro.
//!
//! Every interface is linked by its own `add_to_linker`: the world's whole one would define WASI's
//! interfaces a second time.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::expect_used,
    reason = "generated code"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "edge-cache-plugin",
    with: {
        "wasi:clocks/wall-clock": wasmtime_wasi::p2::bindings::clocks::wall_clock,
    },
});

pub(super) use exports::zlayer::edge_cache::{placement, state};
pub(super) use wasi::logging::logging;
pub(super) use zlayer::edge_cache::{gossip_labels, types};
