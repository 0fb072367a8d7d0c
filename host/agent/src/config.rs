//! Resolution of settings: flags take precedence over the environment, the settings file and the defaults.
//!
//! The declared arguments are the only description of settings. A value from the file or the environment becomes the
//! default of its argument, so that clap implements the precedence and one parser validates a value from any source.
//! A setting has one name in three spellings: `gossip.listen` in the file is `--gossip-listen` is
//! `EDGE_CACHE_GOSSIP_LISTEN`. A flag with an older name has the regular name as an alias.
//!
//! This module does not know the meaning of any setting and does not read the process environment.

mod effective;
mod example;
mod file;
mod literal;
mod setting;
mod unknown;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};
use clap::Command;
use clap::builder::Resettable;

use edge_cache_api::SettingSource;

use self::setting::{quoted, settings, validate};

pub(crate) use self::effective::effective;
pub use self::example::example;
pub use self::setting::{FILE_FLAG, Lookup};
pub(crate) use self::unknown::unknown_variables;

#[cfg(test)]
mod tests;

/// Values from the file and the environment, by the id of their argument.
#[derive(Debug)]
pub(crate) struct Layers(BTreeMap<String, (SettingSource, Vec<OsString>)>);

impl Layers {
    /// Reads the file, if one is given, and the environment over it.
    pub(crate) fn read(run: &Command, file: Option<&Path>, lookup: Lookup<'_>) -> Result<Self> {
        let settings = settings(run);
        let from_file = match file {
            Some(path) => file::read(path, &settings)?,
            None => BTreeMap::new(),
        };
        let from_file = from_file.into_iter();
        let mut layers: BTreeMap<_, _> = from_file
            .map(|(id, values)| (id, (SettingSource::File, values)))
            .collect();
        for setting in &settings {
            // An empty variable counts as unset: scripts clear variables that way.
            let Some(value) = lookup(&setting.variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            let given = quoted(&value.to_string_lossy());
            let values = vec![value];
            if let Err(reason) = validate(setting.arg, &values) {
                let name = &setting.variable;
                bail!("the variable `{name}` cannot be {given}: {reason}");
            }
            let id = setting.arg.get_id().to_string();
            layers.insert(id, (SettingSource::Variable, values));
        }
        Ok(Self(layers))
    }

    /// Returns the source of a setting that no flag gives.
    fn source(&self, id: &str) -> SettingSource {
        let given = self.0.get(id);
        given.map_or(SettingSource::Default, |(source, _)| *source)
    }

    /// Returns the command with these values as its defaults.
    pub(crate) fn apply(&self, run: Command) -> Command {
        run.mut_args(|arg| {
            let arg = arg.env(Resettable::Reset);
            match self.0.get(arg.get_id().as_str()) {
                // Clap requires that an argument with a default is optional.
                Some((_, values)) => arg.required(false).default_values(values),
                None => arg,
            }
        })
    }
}

/// Returns the command without environment variables and required arguments, to parse the flags alone.
pub(crate) fn flags_only(run: Command) -> Command {
    run.mut_args(|arg| arg.required(false).env(Resettable::Reset))
}

/// Returns the settings file that the environment names.
pub(crate) fn file_variable(lookup: Lookup<'_>) -> Option<OsString> {
    lookup("EDGE_CACHE_CONFIG").filter(|value| !value.is_empty())
}
