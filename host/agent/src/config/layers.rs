//! Values from the settings file and the environment, as defaults of their arguments.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use clap::builder::Resettable;
use thiserror::Error;

use super::file::{self, FileError};
use super::setting::{Lookup, quoted, settings, validate};

/// A failure to read the settings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The settings file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// An environment variable has an invalid value.
    #[error("the variable `{name}` cannot be {given}: {reason}")]
    Variable {
        /// The name of the variable.
        name: String,
        /// The invalid value.
        given: String,
        /// The accepted notation.
        reason: String,
    },
}

/// Values from the file and the environment, by the id of their argument.
#[derive(Debug, Default)]
pub(crate) struct Layers(BTreeMap<String, Vec<OsString>>);

impl Layers {
    /// Reads the file, if one is given, and the environment over it.
    pub(crate) fn read(
        run: &Command,
        file: Option<&Path>,
        lookup: Lookup<'_>,
    ) -> Result<Self, SettingsError> {
        let settings = settings(run);
        let mut layers = match file {
            Some(path) => file::read(path, &settings)?,
            None => BTreeMap::new(),
        };
        for setting in &settings {
            // An empty variable counts as unset: scripts clear variables that way.
            let Some(value) = lookup(&setting.variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            let given = quoted(&value.to_string_lossy());
            let values = vec![value];
            validate(setting.arg, &values).map_err(|reason| SettingsError::Variable {
                name: setting.variable.clone(),
                given,
                reason,
            })?;
            layers.insert(setting.arg.get_id().to_string(), values);
        }
        Ok(Self(layers))
    }

    /// Returns the command with these values as its defaults.
    pub(crate) fn apply(&self, run: Command) -> Command {
        run.mut_args(|arg| {
            let arg = arg.env(Resettable::Reset);
            match self.0.get(arg.get_id().as_str()) {
                // Clap requires that an argument with a default is optional.
                Some(values) => arg.required(false).default_values(values),
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
