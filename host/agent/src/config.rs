//! Resolution of settings: flags take precedence over the environment, the settings file and the defaults.
//!
//! The declared arguments are the only description of settings. A value from the file or the environment becomes the
//! default of its argument, so that clap implements the precedence and one parser validates a value from any source.
//! A setting has one name in three spellings: `gossip.listen` in the file is `--gossip-listen` is
//! `EDGE_CACHE_GOSSIP_LISTEN`. A flag with an older name has the regular name as an alias.
//!
//! This module does not know the meaning of any setting and does not read the process environment.

mod example;
mod file;
mod layers;
mod setting;

pub use self::example::example;
pub use self::file::{FileError, Problem};
pub use self::layers::SettingsError;
pub(crate) use self::layers::{Layers, file_variable, flags_only};
pub use self::setting::{FILE_FLAG, Lookup};

#[cfg(test)]
mod tests;
