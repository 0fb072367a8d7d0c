//! The reference edge-cache registry.
//!
//! It decides which nodes may serve as edge caches, says so in the labels of each node, and judges
//! other nodes by the labels that they advertise. All of that is plain Rust without a clock, without
//! input and output and without a host: the time and the way to publish labels are arguments. One
//! module puts the face of a WebAssembly component on it.
//!
//! From the inside out:
//!
//! - `text`: which characters may be shown, and excerpts of foreign text for errors
//! - `time`: [`Timestamp`], whole milliseconds before the year 10000
//! - `capacity`: [`NodeCapacity`] and its bounds
//! - `labels`: the label keys, and the only code that writes and reads labels
//! - `publish`: [`PublishLabels`], the way labels leave the registry
//! - `registry`: [`Registry`], the state machine, beside `entry` and `error`, its data and its errors
//! - `settings`: [`Settings`], what the operator may choose
//! - `placement`: [`assess`], the judgement of a node by its labels
//! - `complaints`: which nodes were complained about already
//! - `component`: the exports and imports of `wit/`, behind the feature of that name; the only file that
//!   knows wit-bindgen
//!
//! Invariants: only `component` reads a clock, a setting or a log; nothing panics, because a guest
//! that panics is gone; nothing is kept in a `HashMap`, because its order would differ between two
//! instances; no foreign text goes into an error or a log line except as an excerpt.

mod capacity;
#[cfg(feature = "component")]
mod complaints;
#[cfg(feature = "component")]
mod component;
mod entry;
mod error;
mod labels;
mod placement;
mod publish;
mod registry;
mod settings;
mod text;
mod time;

pub use capacity::{CapacityError, MAX_GEO_BYTES, NodeCapacity};
pub use entry::{Change, EdgeCacheNode, EdgeCacheStats, Entry, NodeId};
pub use error::{EdgeCacheError, Refusal};
pub use labels::{
    AdvertisedCapacity, LABEL_CPU, LABEL_DISK_MIB, LABEL_EDGE_CACHE, LABEL_GEO, LABEL_RAM_MIB,
    Label, LabelFault, capacity_labels,
};
pub use placement::{Candidate, MAX_WEIGHT, MIN_WEIGHT, assess};
pub use publish::{LabelError, PublishLabels};
pub use registry::Registry;
pub use settings::{SETTING_WEIGHT, Settings, SettingsError, WeightBy};
pub use time::Timestamp;
