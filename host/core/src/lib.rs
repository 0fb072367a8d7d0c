//! Values of an edge-cache registry: types, labels, decisions, limits, metrics and text.
//!
//! The crate has no side effects: it reads no clock, does no I/O, and uses no async runtime.
//!
//! ```
//! use edge_cache_core::labels::{LabelGrants, LabelRules, Labels};
//! use edge_cache_core::{Limits, NodeCapacity};
//!
//! let capacity = NodeCapacity {
//!     cpu_cores: 8,
//!     ram_mib: 16_384,
//!     disk_mib: 512_000,
//!     geo: Some("eu-central-1".to_string()),
//! };
//! assert_eq!(capacity.check(), Ok(()));
//!
//! let rules = LabelRules {
//!     grants: &LabelGrants::default(),
//!     limits: Limits::default().labels,
//!     foreign: &Labels::new(),
//! };
//! assert!(rules.check([("edge_cache".to_string(), "true".to_string())]).is_ok());
//! assert!(rules.check([("zone".to_string(), "north".to_string())]).is_err());
//! ```

// Data of plugins and peers reaches most of this crate, so arithmetic must not overflow.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod cache_address;
pub mod decision;
pub mod effective;
mod error;
pub mod labels;
mod limits;
pub mod metrics;
mod peer_info;
mod source;
pub mod text;
mod types;

pub use error::EdgeCacheError;
pub use limits::{LabelLimits, Limits};
pub use peer_info::{AgentInfo, DecisionId, PeerInfo, Refusal};
pub use source::{SOURCE_NAME_BYTES_MAX, SOURCES_MAX, SourceId, SourceName, SourceNameError};
pub use types::{
    Change, EdgeCacheNode, EdgeCacheStats, Entry, GEO_BYTES_MAX, LogLevel, MemberStatus,
    NodeCapacity, NodeId, PluginState, PublishedStats, check_geo, ms_of, time_of,
};
