//! The reference plugin: a registry of edge-cache nodes.
//!
//! The registry decides which nodes may serve as edge caches, publishes labels for each of them, and assesses
//! nodes by the labels that they advertise. The code is plain Rust without a clock, input or output: time and
//! publisher are arguments. The module `component` makes it a WebAssembly component.
//!
//! - `text`: printable characters, and excerpts of foreign text for errors
//! - `time`: [`Timestamp`], whole milliseconds before the year 10000
//! - `capacity`: [`NodeCapacity`] and its bounds
//! - `labels`: the label keys, and the only code that writes and reads labels
//! - `registry`: [`Registry`], the state machine, and [`PublishLabels`], through which it publishes labels
//! - `entry`, `error`: the data and the errors of the registry
//! - `settings`: [`Settings`], chosen by the operator
//! - `placement`: [`assess`], the assessment of a node by its labels
//! - `complaints`: the nodes about which a complaint was logged
//! - `component`: the exports and imports of `wit/`, behind the feature of that name; the only file that
//!   knows wit-bindgen
//!
//! Invariants: only `component` uses the clock, the settings and the log. No code panics, since a panic ends
//! the instance. No `HashMap` is used, since its order differs between instances. Errors and log lines
//! contain foreign text only as an excerpt.

mod capacity;
#[cfg(feature = "component")]
mod complaints;
#[cfg(feature = "component")]
mod component;
mod entry;
mod error;
mod labels;
mod placement;
mod registry;
mod settings;
mod text;
mod time;

pub use capacity::{CapacityError, MAX_GEO_BYTES, NodeCapacity};
pub use entry::{Change, EdgeCacheNode, EdgeCacheStats, Entry, NodeId};
pub use error::{EdgeCacheError, LabelError, Refusal};
pub use labels::{
    LABEL_CPU, LABEL_DISK_MIB, LABEL_EDGE_CACHE, LABEL_GEO, LABEL_RAM_MIB, Label, LabelFault,
    advertised_capacity, capacity_labels,
};
pub use placement::{Candidate, MAX_WEIGHT, MIN_WEIGHT, assess};
pub use registry::{PublishLabels, Registry};
pub use settings::{SETTING_WEIGHT, Settings, SettingsError, WeightBy};
pub use time::Timestamp;
