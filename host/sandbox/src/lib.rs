//! The sandbox: a registry component in wasmtime, with every limit on.
//!
//! - [`Plugin`] is a component that was checked and compiled; many instances may run from it.
//! - [`Instance`] is one running component. It is owned by one thread, calls are synchronous, and after
//!   any [`Failure`] it must be dropped.
//! - [`Inspection`] is what can be said of any file without running it.
//! - `bindings` is the only file that knows `bindgen!`; `convert` is the only way from a component's
//!   value to the host's.
//!
//! Nothing here decides what to do about a failure, keeps state beyond an instance, or runs on the
//! threads of an async runtime.

// Guest data reaches most of this crate: what could overflow says what then.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod bindings;
mod cache;
mod contract;
mod convert;
mod engine;
mod failure;
mod file;
mod gossip_labels;
mod inspection;
mod instance;
mod limiter;
mod log;
mod metrics;
mod plugin;
mod producers;
mod signature;
pub mod trusted_file;
mod wasi;

pub use cache::{CodeCache, Digests};
pub use contract::{Export, Import, Mismatch};
pub use failure::Failure;
pub use file::PluginFile;
pub use gossip_labels::{ForeignLabels, LabelPolicy, PublishedLabels};
pub use inspection::{FileKind, Inspection};
pub use instance::{Called, Instance, InstanceConfig};
pub use log::{GuestLog, LINES_KEPT, LogLevel, LogLine};
pub use metrics::CallMetrics;
pub use plugin::{ImportGrants, Plugin, PluginCell, PluginConfig, PluginError};
pub use producers::{PRODUCERS_MAX, Producer};
pub use wasi::WallClock;
