//! Policies of an edge-cache registry in Rust.
//!
//! A policy takes two decisions of a registry: with what capacity a node is admitted, and how a node is judged by its
//! labels. `plugin compose` of the agent makes a plugin of a policy and the reference registry, which does the rest.
//!
//! - [`Policy`]: the trait that a policy implements.
//! - [`export!`]: makes a component of it.
//! - [`Settings`], [`Labels`], [`NodeCapacity`], [`Candidate`]: what a policy reads and answers.
//!
//! A policy is plain Rust: its tests run natively, without WebAssembly.
//!
//! ```
//! use edge_cache_sdk::{NodeCapacity, NodeId, Policy, Settings};
//!
//! struct LeastCores(u32);
//!
//! impl Policy for LeastCores {
//!     const SETTINGS: &[&str] = &["least_cores"];
//!
//!     fn new(settings: &Settings) -> Result<Self, String> {
//!         Ok(Self(settings.parse("least_cores")?.unwrap_or(1)))
//!     }
//!
//!     fn admit(&self, _: NodeId, capacity: NodeCapacity) -> Result<NodeCapacity, String> {
//!         if capacity.cpu_cores < self.0 {
//!             return Err(format!("cpu_cores must be at least {}", self.0));
//!         }
//!         Ok(capacity)
//!     }
//! }
//!
//! edge_cache_sdk::export!(LeastCores);
//!
//! # fn main() -> Result<(), String> {
//! let policy = LeastCores::new(&Settings::from([("least_cores", "4")]))?;
//! let capacity = NodeCapacity { cpu_cores: 2, ram_mib: 1024, disk_mib: 1024, geo: None };
//! assert_eq!(policy.admit(1, capacity), Err("cpu_cores must be at least 4".to_string()));
//! # Ok(())
//! # }
//! ```

#[doc(hidden)]
pub mod component;
mod labels;
mod policy;
mod settings;

pub use component::bindings::exports::zlayer::edge_cache_policy::policy::Candidate;
pub use component::bindings::wasi::logging::logging::Level;
pub use component::bindings::zlayer::edge_cache::types::{Label, NodeCapacity};
pub use labels::Labels;
pub use policy::Policy;
pub use settings::Settings;

/// Number of a node in its cluster. Every 64-bit value is valid.
pub type NodeId = u64;

/// Writes a line to the log of the plugin, under the context `policy`. Natively, nothing is written.
///
/// The host keeps 1 KiB of a line, and 100 lines a second.
pub fn log(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    component::bindings::wasi::logging::logging::log(level, "policy", message);
    #[cfg(not(target_family = "wasm"))]
    let _ = (level, message);
}
