//! The node agent: a registry, gossip and an HTTP API in one process.
//!
//! - `cli` says what may be asked for on the command line, `settings` where else its values may come from.
//! - `run` puts an agent together, serves until it is told to stop, and takes it apart again.
//! - [`http`] is the API; it alone knows axum.
//! - `metrics` writes the agent's numbers as text; it alone knows prometheus-client.
//! - `systemd` tells a service manager how the agent is doing; `log` sets up what it writes.
//! - [`stop`] is the wish that it ends, by a signal or over HTTP.
//! - [`client`] asks a running agent.
//! - [`plugin_manager`] replaces the plugin while the agent runs; [`plugin`] looks at plugins without an agent.
//! - `demo` runs three agents and shows what they see of one another.
//!
//! The library behind it knows nothing of flags, signals or exit codes.

// Guest data reaches most of this crate: what could overflow says what then.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod cli;
pub mod client;
pub mod demo;
mod embedded;
pub mod http;
pub mod log;
mod metrics;
pub mod plugin;
pub mod plugin_manager;
mod private_file;
pub mod run;
pub mod settings;
mod signals;
pub mod stop;
mod systemd;
