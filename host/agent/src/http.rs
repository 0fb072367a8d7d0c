//! The HTTP API: JSON over the registry and the gossip pool.
//!
//! The API decides nothing. Reads are answered from the registry's view, changes go to the registry, and every error becomes
//! a problem document in one place, `problem`. `router` has all routes and middlewares, `server` the accept loop.
//!
//! The only directory that knows axum.

mod api_doc;
mod auth;
mod bodies;
mod cluster;
mod connections;
mod count;
mod etag;
mod events;
mod extract;
mod guard;
mod health;
mod json_errors;
mod leave;
mod limits;
mod list;
mod list_cache;
mod metrics;
mod nodes;
mod operation;
mod panics;
mod plugin;
mod problem;
mod problem_responses;
mod query;
mod replace;
mod request_id;
mod route;
mod router;
mod server;
mod state;
mod stats;
mod swap;
mod tls;
mod trace;
mod unread_body;
mod views;
mod wait;

pub use crate::metrics::ListenerMetrics;
pub use auth::{Access, NewToken, Role, RoleError, TokenError, Tokens, TokensError};
pub use connections::warn_of_file_limit;
pub use guard::Hosts;
pub use limits::*;
pub use router::{api_routes, health_routes};
pub use server::{Listening, serve};
pub use state::AppState;
pub use tls::{Tls, TlsError, use_ring};
