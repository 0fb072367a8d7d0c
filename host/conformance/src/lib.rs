//! A conformance suite for registries: do they keep the contract of the WIT package `zlayer:edge-cache@0.1.0`?
//!
//! The suite knows a registry only through the trait [`RegistryUnderTest`], so the same checks run against
//! a plugin in the sandbox ([`PluginUnderTest`]) and against a registry in plain Rust. Each check starts
//! with a fresh registry and reports a violation in plain words.
//!
//! - [`CONTRACT`] holds for every plugin, whatever its policy.
//! - [`run`] runs checks. [`examine`] runs them against a plugin and measures the cost of its calls.
//! - A [`Check`] of an own policy begins with a [`fresh`] registry, and compares by [`expect_eq`] and [`snapshot()`].
//!
//! ```no_run
//! use std::path::Path;
//!
//! use edge_cache_conformance::{CONTRACT, Samples, examine};
//! use edge_cache_sandbox::{Plugin, PluginConfig, PluginError};
//!
//! fn main() -> Result<(), PluginError> {
//!     let plugin = Plugin::from_file(Path::new("my-plugin.wasm"), PluginConfig::default())?;
//!     for report in examine(&plugin, &Samples::default(), CONTRACT).reports {
//!         if let Some(violation) = report.violation() {
//!             println!("{}: {}, but {violation}", report.name, report.requirement);
//!         }
//!     }
//!     Ok(())
//! }
//! ```

#![allow(
    clippy::arithmetic_side_effects,
    reason = "the suite counts with constants of its own"
)]

mod check;
mod contract;
mod describe;
mod examination;
mod fixture;
mod measure;
mod plugin;
mod registry;
mod samples;
mod snapshot;

pub use check::{Check, Factory, Report, Settings, SkipReason, Verdict, run};
pub use contract::CONTRACT;
pub use describe::{Describe, expect_eq};
pub use examination::{Examination, SampleReport, examine};
pub use fixture::{counters, entry, fresh};
pub use measure::{CallCost, Costs, ENTRIES};
pub use plugin::PluginUnderTest;
pub use registry::{OWN_NODE, RegistryUnderTest, Violation};
pub use samples::{SAMPLES_MAX, Samples};
pub use snapshot::{Snapshot, snapshot};
