//! The settings of an agent: pure values, declared as command line arguments.
//!
//! The declarations here are the only description of a setting. `config` derives its key in the settings file, its
//! environment variable and its line in `config example` from them.

mod agent;
mod effective;
mod limits;
pub(crate) mod names;
mod plugin;
mod plugin_source;
mod registry;
mod traffic;
pub(crate) mod values;

pub use self::agent::{AgentSettings, GossipProtocol, HttpSettings, LogFormat};
pub use self::effective::EffectiveSetting;
pub use self::limits::LimitSettings;
pub use self::plugin::PluginSettings;
pub use self::plugin_source::PluginSourceSettings;
pub use self::registry::{PluginSource, RegistrySettings};
pub use self::traffic::{CacheCheck, TrafficGeo, TrafficKey, TrafficSettings};
pub use self::values::parse_log_level;
