//! The HTTP API: JSON over the registry and the gossip pool.
//!
//! The API decides nothing. Reads are answered from the registry's view, changes go to the registry, and every error becomes
//! a problem document in one place, `problem`. `router` has all routes and middlewares, `server` the accept loop.
//!
//! The only directory that knows axum.

mod about;
mod agent;
mod all_nodes;
mod api_doc;
mod auth;
mod bodies;
mod cluster;
mod decisions;
mod entity_tags;
mod events;
mod extract;
mod guard;
mod json_errors;
mod limits;
mod list;
mod nodes;
mod operation;
mod page;
mod plugin;
mod problem;
mod problem_responses;
mod query;
mod route;
mod router;
mod server;
mod snapshot;
mod state;
mod tls;
mod trace;
mod traffic;
mod upload;
mod views;
mod wait;

pub use crate::metrics::{ListenerMetrics, TrafficMetrics};
pub use about::About;
pub use auth::Access;
pub use guard::{Guard, Hosts};
pub use limits::*;
pub use router::{api_routes, health_routes};
pub use server::{Listening, serve};
pub use state::AppState;
pub use tls::{Tls, use_ring};
pub use traffic::traffic_routes;
