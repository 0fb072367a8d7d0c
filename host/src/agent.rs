//! The node agent: a registry, gossip and an HTTP API in one process.
//!
//! - `cli` says what may be asked for on the command line.
//! - `run` puts an agent together, serves until it is told to stop, and takes it apart again.
//! - [`http`] is the API; it alone knows axum.
//! - [`stop`] is the wish that it ends, by a signal or over HTTP.
//! - `demo` runs three agents and shows what they see of one another.
//!
//! The library behind it knows nothing of flags, signals or exit codes.

pub mod cli;
pub mod demo;
mod embedded;
pub mod http;
pub mod run;
mod signals;
pub mod stop;
