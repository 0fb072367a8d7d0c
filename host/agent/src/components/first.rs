//! The component that an agent starts with: the one that is kept, or the one that the settings name.
//!
//! What is wrong with the settings keeps an agent from starting, as ever. A kept component that is damaged or does not
//! load does not: the agent starts with the one that the settings name. The operator trusts that one too, and an agent
//! that serves can be given another over HTTP, while one that does not start can't be helped from afar. The log and
//! `GET /api/v1/plugin` say which one runs, and peers see that it decides otherwise. Nothing is taken away, so that a
//! start after the mending has the kept one again. One that loads and fails then is like any other that does: the
//! registry is degraded, and waits to be given another.

use std::fmt;
use std::path::PathBuf;

use super::shelf::{Kept, Named, Shelf};
use edge_cache_core::Limits;
use edge_cache_core::text;
use edge_cache_host::sandbox::{ComponentFile, Plugin, PluginConfig, PluginError};

/// Where the component is that the settings name.
#[derive(Clone)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In the binary.
    Embedded(&'static [u8]),
}

/// What an agent starts with.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) plugin: Plugin,
    pub(super) named: Named,
    pub(crate) found: Found,
}

/// What there was of a kept component.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// It is what the agent starts with.
    Used(Kept),
    /// The settings name another one than when it was kept.
    Outdated(Kept),
    /// It can't be used.
    Unusable {
        /// Which one it is, where that much is known.
        kept: Option<Kept>,
        /// In words, why.
        reason: String,
    },
}

impl First {
    /// Looks and loads, and changes nothing. Takes up to seconds: not for an async thread.
    pub(crate) fn choose(
        config: &PluginConfig,
        source: &Source,
        shelf: Option<&Shelf>,
    ) -> Result<Self, PluginError> {
        let component = source.read(&config.limits)?;
        let named = Named::new(&component, config);
        let (found, kept) = match shelf {
            Some(shelf) => look(shelf, named, config),
            None => (Found::Nothing, None),
        };
        let plugin = match kept {
            Some(plugin) => plugin,
            None => component.load(config.clone())?,
        };
        Ok(Self {
            plugin,
            named,
            found,
        })
    }
}

fn look(shelf: &Shelf, named: Named, config: &PluginConfig) -> (Found, Option<Plugin>) {
    match shelf.look() {
        Ok(None) => (Found::Nothing, None),
        Ok(Some(kept)) if !kept.stands_in_for(named) => (Found::Outdated(kept), None),
        Ok(Some(kept)) => match load(&kept, shelf, config) {
            Ok(plugin) => (Found::Used(kept), Some(plugin)),
            Err(reason) => {
                let kept = Some(kept);
                (Found::Unusable { kept, reason }, None)
            }
        },
        Err(reason) => (Found::Unusable { kept: None, reason }, None),
    }
}

fn load(kept: &Kept, shelf: &Shelf, config: &PluginConfig) -> Result<Plugin, String> {
    let component = shelf.take(kept, config.limits.component_bytes)?;
    let config = PluginConfig {
        sha256: Some(*kept.sha256()),
        ..config.clone()
    };
    let plugin = component.load(config);
    plugin.map_err(|error| text::error_chain(&error))
}

impl Source {
    pub(super) fn read(&self, limits: &Limits) -> Result<ComponentFile, PluginError> {
        match self {
            Self::File(path) => ComponentFile::read(path, limits),
            Self::Embedded(bytes) => Ok(ComponentFile::embedded(bytes)),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Embedded(bytes) => f.debug_tuple("Embedded").field(&bytes.len()).finish(),
        }
    }
}
