//! Hosts an edge-cache registry component.

mod advertise;
mod error;
pub mod gossip;
pub mod labels;
mod limits;
mod registry;
pub mod sandbox;
mod store;
mod text;
mod types;

pub use error::EdgeCacheError;
pub use limits::{LabelLimits, Limits};
pub use registry::{
    Activity, Builder, EdgeCacheRegistry, EligibleNodes, PluginState, StartError, Status,
};
pub use store::{Identity, Store, StoreError};
pub use types::{
    Candidate, Change, EdgeCacheNode, EdgeCacheStats, Entry, GEO_BYTES_MAX, NodeCapacity, NodeId,
};
