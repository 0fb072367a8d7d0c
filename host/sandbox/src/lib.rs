//! The sandbox: runs registry plugins in wasmtime, with every limit on.
//!
//! - [`Plugin`] is a component that was checked and compiled. Many instances may run from it.
//! - [`Instance`] is a running plugin. One thread owns it, calls are synchronous, and after a [`Failure`] it
//!   must be dropped.
//! - [`CompilerProcess`] compiles files that are not trusted, in a child process with limits of its own.
//! - [`Inspection`] describes a file without running it.
//! - [`LabelPolicy`] and [`GuestLog`] are the host's side of the imports.
//!
//! The crate does not react to failures, keeps no state beyond an instance, and does not use the threads of
//! an async runtime: loading a plugin and calling an instance block. It knows neither gossip nor the store.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use edge_cache_core::NodeCapacity;
//! use edge_cache_sandbox::{
//!     GuestLog, Instance, InstanceConfig, LabelPolicy, Plugin, PluginConfig, WallClock,
//! };
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = PluginConfig::default();
//!     let surroundings = InstanceConfig {
//!         policy: LabelPolicy::detached(config.labels.clone()),
//!         log: Arc::new(GuestLog::new(&config.limits)),
//!         clock: WallClock::default(),
//!     };
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
mod host_state;
mod inspection;
mod instance;
mod log;
mod metadata;
mod metrics;
mod plugin;
mod signature;
pub mod trusted_file;
mod wasi;

pub use cache::{CodeCache, Digests};
pub use compiler::{CompilerProcess, run_compiler};
pub use config::PluginConfig;
pub use contract::{Difference, Export, Import, ImportGrants, Mismatch};
pub use edge_cache_core::LogLevel;
pub use error::PluginError;
pub use failure::Failure;
pub use file::{FileKind, PluginFile};
pub use gossip_labels::{ForeignLabels, LabelPolicy, LabelsAvailable, PublishedLabels};
pub use inspection::Inspection;
pub use instance::{Instance, InstanceConfig};
pub use log::{GuestLog, LINES_KEPT, LogLine};
pub use metadata::{Metadata, PRODUCERS_MAX, Producer};
pub use metrics::CallMetrics;
pub use plugin::{LoadTimes, Plugin, PluginCell};
pub use wasi::WallClock;
