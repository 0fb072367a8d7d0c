//! A typed client of the HTTP API of an edge-cache agent.
//!
//! ```no_run
//! use std::time::Duration;
//! use edge_cache_client::{Client, ClientConfig, NodeCapacity};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientConfig::new("127.0.0.1:7947".parse()?))?;
//! let capacity = NodeCapacity { cpu_cores: 8, ram_mib: 16_384, disk_mib: 512_000, geo: None };
//! client.enable(7, capacity).wait(Duration::from_secs(5)).send().await?;
//! for node in client.nodes().send().await?.nodes {
//!     println!("node {}: {:?}", node.node_id, node.advertised);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`] has a method for each operation. It returns a [`Call`], which is sent by [`Call::send`].
//! - [`EventFollower`] follows the event stream and reconnects; [`EventStream`] is one connection of it.
//! - The types of requests and responses are those of `edge-cache-api`, which this crate re-exports.
//!
//! TLS needs a crypto provider: install one with `rustls`, for instance `rustls::crypto::ring`, before the first
//! client is created.

mod client;
mod config;
mod connection;
mod error;
mod events;

pub use edge_cache_api::*;

pub use reqwest::StatusCode;

pub use self::client::{Call, ChangeOutcome, Client, PluginForm, PluginOffer, TaggedNodes};
pub use self::config::{Address, AddressError, CaCertificates, ClientConfig, Token};
pub use self::error::{ClientError, NoResponseCause};
pub use self::events::{EventFollower, EventStream, FollowUpdate, ReceivedEvent};
