//! The sandbox: runs registry plugins in wasmtime, with every limit on.
//!
//! - [`Plugin`] is a component that was checked and compiled. Many instances may run from it.
//! - [`Instance`] is a running plugin. One thread owns it, calls are synchronous, and after a [`Failure`] it
//!   must be dropped.
//! - [`CompilerProcess`] compiles files that are not trusted, in a child process with limits of its own.
//! - [`Inspection`] describes a file without running it.
//! - [`LabelPolicy`] and [`GuestLog`] are the host's side of the imports.
//! - [`add_to_linker`], [`PluginCtx`], [`LabelStage`] and [`InstanceLimits`] are what an instance is made of, for a host
//!   with a wasmtime engine and store of its own.
//!
//! The crate does not react to failures, keeps no state beyond an instance, and does not use the threads of
//! an async runtime: loading a plugin and calling an instance block. It knows neither gossip nor the store.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use edge_cache_core::NodeCapacity;
//! use edge_cache_sandbox::{Instance, InstanceConfig, Plugin, PluginConfig};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = PluginConfig::default();
//!     let surroundings = InstanceConfig::detached(&config);
//!     let plugin = Plugin::from_file(Path::new("plugin.wasm"), config)?;
//!     let mut instance = Instance::start(&plugin, surroundings)?;
//!     instance.load(&[])?;
//!     let capacity = NodeCapacity {
//!         cpu_cores: 8,
//!         ram_mib: 16_384,
//!         disk_mib: 512_000,
//!         geo: None,
//!     };
//!     let (node, labels) = instance.enable(7, &capacity)??;
//!     println!("{node:?} publishes {labels:?}");
//!     Ok(())
//! }
//! ```

// Data of plugins reaches most of this crate, so arithmetic must not overflow.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod bindings;
mod cache;
mod compile;
mod compiler;
mod config;
mod contract;
mod convert;
mod engine;
mod error;
mod failure;
mod file;
mod footprint;
mod gossip_labels;
mod imports;
mod inspection;
mod instance;
mod limits;
mod log;
mod metadata;
mod metrics;
mod plugin;
mod plugin_ctx;
mod signature;
pub mod trusted_file;
mod wasi;

pub use cache::{CodeCache, Digests};
pub use compiler::{CompilerProcess, run_compiler};
pub use config::{InstanceConfig, PluginConfig};
pub use contract::{Difference, Export, Import, ImportGrants, Mismatch};
pub use edge_cache_core::LogLevel;
pub use error::PluginError;
pub use failure::Failure;
pub use file::{FileKind, PluginFile};
pub use gossip_labels::{ForeignLabels, LabelPolicy, LabelStage, LabelsAvailable, PublishedLabels};
pub use imports::{add_to_linker, add_wasi_to_linker};
pub use inspection::Inspection;
pub use instance::Instance;
pub use limits::InstanceLimits;
pub use log::{GuestLog, LINES_KEPT, LogLine};
pub use metadata::{Metadata, PRODUCERS_MAX, Producer};
pub use metrics::CallMetrics;
pub use plugin::{LoadTimes, Plugin, PluginCell};
pub use plugin_ctx::{PluginCtx, PluginView};
pub use wasi::WallClock;
pub use wasi::http::add_to_linker as add_wasi_http_to_linker;
