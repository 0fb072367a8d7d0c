//! Settings as the declared arguments describe them.

use std::any::TypeId;
use std::error::Error as _;
use std::ffi::OsString;
use std::num::NonZeroU16;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use edge_cache_core::text;

/// The sections of the file, as prefixes of flags. A longer one comes before its own prefix.
pub(super) const SECTIONS: &[&str] = &[
    "cache",
    "gossip",
    "http",
    "limits-labels",
    "limits",
    "log",
    "plugin",
    "traffic",
];
/// The flag that names the settings file; not a setting itself.
pub const FILE_FLAG: &str = "config";
/// The longest excerpt of a value in an error, in bytes.
pub(super) const GIVEN_BYTES_MAX: usize = 64;

/// Looks up an environment variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The TOML type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    /// `true` or `false`.
    Boolean,
    /// An integer, or a string with a unit.
    Number,
    /// A string.
    Text,
    /// An array of strings.
    List,
    /// A table of strings, or an array of `KEY=VALUE`.
    Table,
}

/// A setting as its argument declares it.
pub(super) struct Setting<'a> {
    /// The key in the file, with dots.
    pub(super) key: String,
    pub(super) kind: ValueKind,
    /// The name of the environment variable.
    pub(super) variable: String,
    pub(super) arg: &'a Arg,
}

/// Returns all settings of a command: the arguments with an environment variable.
pub(super) fn settings(run: &Command) -> Vec<Setting<'_>> {
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

/// Returns the key of an argument, such as `gossip.push_rounds` for `--gossip-push-rounds`.
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

fn kind(arg: &Arg) -> ValueKind {
    let holds = |id: TypeId| arg.get_value_parser().type_id() == id;
    let numbers = [
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<NonZeroU16>(),
    ];
    if matches!(arg.get_action(), ArgAction::Append) {
        if holds(TypeId::of::<(String, String)>()) {
            return ValueKind::Table;
        }
        return ValueKind::List;
    }
    if holds(TypeId::of::<bool>()) {
        ValueKind::Boolean
    } else if numbers.into_iter().any(holds) {
        ValueKind::Number
    } else {
        ValueKind::Text
    }
}

/// Validates values with the argument's own parser. The error states the accepted notation.
pub(super) fn validate(arg: &Arg, values: &[OsString]) -> Result<(), String> {
    let arg = arg
        .clone()
        .required(false)
        .env(Resettable::Reset)
        .default_values(values);
    let nothing: [&str; 0] = [];
    Command::new("validate")
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

/// Returns an excerpt of an untrusted text for an error message.
pub(super) fn quoted(given: &str) -> String {
    let given = text::without_passwords(given);
    format!("\"{}\"", text::clean(&given, GIVEN_BYTES_MAX))
}
