//! The node agent: a registry, gossip and an HTTP API in one process.
//!
//! Modules, each of which uses only those above it:
//!
//! - [`settings`]: the settings as values; [`config`] resolves them from flags, environment and file.
//! - `screen`: the terminal of an output.
//! - `reload`: the reload of an agent, part by part.
//! - [`shutdown`], `trusted_file`, [`log`]: the shutdown request, reading of secret files, log output.
//! - [`advice`]: what helps against the errors of commands.
//! - [`exit`]: exit codes, and the errors that they depend on.
//! - `plugin_files`: proofs, trust rules and keys on disk.
//! - [`plugin_manager`]: replacement of the plugin while the agent runs.
//! - `cache_check`: the check of this node's cache.
//! - [`tokens`]: the tokens of the HTTP API and their roles.
//! - `metrics`: the agent's metrics as text.
//! - [`http`]: the HTTP API. No other module uses axum.
//! - [`commands`]: commands for a running agent.
//! - [`feed`]: the feeders of counters.
//! - `signals`, `systemd`: the process's surroundings.
//! - [`run`]: start, serving and shutdown of an agent.
//! - [`data_dir`]: the data directory of an agent of another user.
//! - [`cli`]: the command line.
//! - [`config_check`], [`plugin_tools`], [`snapshot_tools`]: commands that need no running agent.

// Most of this crate handles guest data: arithmetic must define its overflow.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub mod advice;
mod cache_check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod config_check;
mod control_group;
pub mod data_dir;
pub mod exit;
pub mod feed;
pub mod http;
pub mod log;
mod metrics;
mod plugin_files;
pub mod plugin_manager;
pub mod plugin_tools;
pub(crate) mod reload;
pub mod run;
mod screen;
pub mod settings;
pub mod shutdown;
mod signals;
pub mod snapshot_tools;
mod suggest;
mod systemd;
pub mod tokens;
mod trusted_file;
