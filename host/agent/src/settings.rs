//! Where the settings of an agent come from: flags, over the environment, over a file, over defaults.
//!
//! The command line is the one description of them. Everything else is read off it: a value of the file
//! or of the environment becomes the *default* of its flag, so that clap alone decides what goes over
//! what, and one parser judges a value wherever it stands. A setting has one name in three spellings:
//! `gossip.listen` in the file is `--gossip-listen` is `EDGE_CACHE_GOSSIP_LISTEN`. A flag whose name came
//! before that rule has the name by the rule as an alias.
//!
//! Nothing here knows what a setting means, and nothing here reads the process's environment.

mod check;
mod example;
mod file;

use std::any::TypeId;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::Path;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use thiserror::Error;

use edge_cache_core::text;

pub use self::check::check;
pub use self::example::example;
pub use self::file::{FileError, Problem};

#[cfg(test)]
mod tests;

/// The sections of the file, as flags begin with them. A longer one goes before its beginning.
const SECTIONS: &[&str] = &["gossip", "http", "limits-labels", "limits", "log", "plugin"];
/// The flag that names the file, which can't stand in it.
pub(super) const FILE_FLAG: &str = "config";
/// How alike two names must be for one to be meant by the other, of 1 for the same.
const ALIKE_MIN: f64 = 0.7;
/// What a match of the last part alone is worth: a setting may stand in the wrong section.
const LAST_PART: f64 = 0.95;
/// The longest text of a value in an error, in bytes.
const GIVEN_BYTES_MAX: usize = 64;

/// Looks a variable of the environment up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Why there are no settings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable of the environment has a wrong value.
    #[error("the variable `{name}` cannot be {given}: {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// What it holds.
        given: String,
        /// What would be right.
        reason: String,
    },
}

/// How a setting is written in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number, or a text with a unit.
    Number,
    /// A text.
    Text,
    /// A list of texts.
    List,
    /// A table of texts, or a list of `KEY=VALUE`.
    Table,
}

/// One setting, as the command line describes it.
struct Setting<'a> {
    /// Its place in the file, with dots.
    key: String,
    kind: Kind,
    variable: String,
    arg: &'a Arg,
}

/// Values from elsewhere than the command line, by the argument that they are for.
#[derive(Debug, Default)]
pub(super) struct Layers(BTreeMap<String, Vec<OsString>>);

impl Layers {
    /// Reads the file, if there is one, and the environment over it.
    pub(super) fn read(
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
            // A variable that is empty is as good as none: that is how scripts leave one out.
            let Some(value) = lookup(&setting.variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            let given = quoted(&value.to_string_lossy());
            let values = vec![value];
            judge(setting.arg, &values).map_err(|reason| SettingsError::Variable {
                name: setting.variable.clone(),
                given,
                reason,
            })?;
            layers.insert(setting.arg.get_id().to_string(), values);
        }
        Ok(Self(layers))
    }

    /// The command with these values as its defaults.
    pub(super) fn apply(&self, run: Command) -> Command {
        run.mut_args(|arg| {
            let arg = arg.env(Resettable::Reset);
            match self.0.get(arg.get_id().as_str()) {
                // Clap wants to be told of an argument with a default that it may be left out.
                Some(values) => arg.required(false).default_values(values),
                None => arg,
            }
        })
    }
}

/// The command without the environment and with nothing needed: what was said on the command line alone.
pub(super) fn alone(run: Command) -> Command {
    run.mut_args(|arg| arg.required(false).env(Resettable::Reset))
}

/// The file that was asked for, on the command line or in the environment.
pub(super) fn file_variable(lookup: Lookup<'_>) -> Option<OsString> {
    lookup("EDGE_CACHE_CONFIG").filter(|value| !value.is_empty())
}

/// Of `known`, what was most likely meant by `given`.
pub(super) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let last = |name: &'a str| name.rsplit(['.', '/']).next().unwrap_or(name);
    let given_last = given.rsplit(['.', '/']).next().unwrap_or(given);
    known
        .into_iter()
        .map(|name| {
            let whole = strsim::jaro_winkler(given, name);
            let part = LAST_PART * strsim::jaro_winkler(given_last, last(name));
            (whole.max(part), name)
        })
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

/// All settings: the arguments that also have a variable.
fn settings(run: &Command) -> Vec<Setting<'_>> {
    run.get_arguments()
        .filter(|arg| arg.get_id() != FILE_FLAG)
        .filter_map(|arg| {
            Some(Setting {
                key: key(arg)?,
                kind: kind(arg),
                variable: arg.get_env()?.to_str()?.to_string(),
                arg,
            })
        })
        .collect()
}

/// `gossip.push_rounds` for `--gossip-push-rounds`: the section up to the first dot, hyphens as underscores.
fn key(arg: &Arg) -> Option<String> {
    let aliases = arg.get_all_aliases().unwrap_or_default();
    let sectioned = arg.get_long().into_iter().chain(aliases).find_map(|name| {
        SECTIONS.iter().find_map(|section| {
            let rest = name.strip_prefix(section)?.strip_prefix('-')?;
            Some(format!("{}.{rest}", section.replace('-', ".")))
        })
    });
    let key = sectioned.or_else(|| arg.get_long().map(str::to_string))?;
    Some(key.replace('-', "_"))
}

fn kind(arg: &Arg) -> Kind {
    let holds = |id: TypeId| arg.get_value_parser().type_id() == id;
    let pairs = TypeId::of::<(String, String)>();
    if matches!(arg.get_action(), ArgAction::Append) {
        if holds(pairs) {
            Kind::Table
        } else {
            Kind::List
        }
    } else if holds(TypeId::of::<bool>()) {
        Kind::Switch
    } else if [
        TypeId::of::<u64>(),
        TypeId::of::<u32>(),
        TypeId::of::<u16>(),
        TypeId::of::<usize>(),
        TypeId::of::<NonZeroUsize>(),
    ]
    .into_iter()
    .any(holds)
    {
        Kind::Number
    } else {
        Kind::Text
    }
}

/// Has the argument's own parser judge values, and answers what would be right.
fn judge(arg: &Arg, values: &[OsString]) -> Result<(), String> {
    let arg = arg
        .clone()
        .required(false)
        .env(Resettable::Reset)
        .default_values(values);
    let nothing: [&str; 0] = [];
    Command::new("judge")
        .no_binary_name(true)
        .arg(arg)
        .try_get_matches_from(nothing)
        .map(drop)
        .map_err(|error| match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(right)) => format!("it must be one of {}", right.join(", ")),
            _ => error
                .source()
                .map_or_else(|| error.kind().to_string(), ToString::to_string),
        })
}

/// A text from outside for an error.
fn quoted(given: &str) -> String {
    format!("\"{}\"", text::clean(given, GIVEN_BYTES_MAX))
}
