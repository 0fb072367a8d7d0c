//! Request and response types of the HTTP API of an edge-cache agent.
//!
//! The server, the typed client and programs of others share them, so each type is written once.
//!
//! - [`paths`], [`headers`] and [`limits`] are the constants that both sides need.
//! - [`Problem`] is the body of every error, [`ProblemType`] the list of all types of problems.
//! - [`Event`] is what the event stream carries.
//! - The other types are bodies and queries, by what they are about.
//!
//! ```
//! use edge_cache_api::{NodeCapacity, Registration};
//!
//! # fn main() -> Result<(), serde_json::Error> {
//! let capacity = NodeCapacity { cpu_cores: 8, ram_mib: 16_384, disk_mib: 512_000, geo: None };
//! let body = serde_json::to_string(&Registration { capacity })?;
//! let sent: Registration = serde_json::from_str(&body)?;
//! assert_eq!(sent.capacity.cpu_cores, 8);
//! # Ok(())
//! # }
//! ```
//!
//! The feature `openapi` adds the schemas from which the server makes its OpenAPI document.

mod agent;
mod decisions;
mod event;
pub mod headers;
mod health;
pub mod limits;
mod members;
mod node;
pub mod object;
pub mod paths;
mod plugin;
mod problem;
mod reload;
mod replacement;
mod route;
mod timestamp;

pub use edge_cache_core::{
    EdgeCacheStats, LogLevel, MemberStatus, NodeCapacity, NodeId, PeerInfo, PluginState,
    SourceName, SourceNameError,
};

pub use self::agent::{Agent, AgentAddresses, Setting, SettingSource};
pub use self::decisions::{DecidedNode, DecisionList, DecisionsQuery};
pub use self::event::{ClusterState, EnabledNode, Event, NodeRef};
pub use self::health::Health;
pub use self::members::{Member, MemberList, MembersQuery};
pub use self::node::{
    ChangeQuery, Decision, DecisionOp, Node, NodeChange, NodeDetails, NodeList, NodeStats,
    NodesQuery, RegisteredNode, Registration,
};
pub use self::plugin::{
    LogLine, Plugin, PluginLog, PluginMetadata, PluginOrigin, ReloadQuery, SwapQuery, SwapSource,
};
pub use self::problem::{Problem, ProblemType};
pub use self::reload::{ReloadOutcome, ReloadReport, ReloadedPart};
pub use self::replacement::{NodeOutcome, NodeResult, Replacement, ReplacementReport, WantedNode};
pub use self::route::{Replica, Route, RouteQuery};
pub use self::timestamp::{Timestamp, TimestampError};
