//! The settings in effect, each with its source. Secrets are left out.

use std::ffi::OsString;
use std::fmt::Write;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::Layers;
use super::setting::settings;
use crate::settings::EffectiveSetting;
use edge_cache_api::{Setting, SettingSource};

/// The setting whose values may be secrets: a plugin's own.
const SECRETS: &str = "plugin.settings";
/// The text in place of a secret.
const HIDDEN: &str = "(hidden)";

/// Returns the settings of a command as they are in effect, in the order of the help.
pub(crate) fn effective(
    run: &Command,
    matches: &ArgMatches,
    layers: &Layers,
) -> Vec<EffectiveSetting> {
    let settings = settings(run);
    let of = settings.iter().map(|setting| {
        let id = setting.arg.get_id().as_str();
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => SettingSource::Flag,
            _ => layers.source(id),
        };
        let given = matches.get_raw(id).map(|values| values.map(OsString::from));
        let given: Option<Vec<_>> = given.map(Iterator::collect);
        let value = given.as_ref().map(|values| {
            let shown = values
                .iter()
                .map(|value| shown(&setting.key, &value.to_string_lossy()));
            shown.collect::<Vec<_>>().join(", ")
        });
        let shown = Setting {
            key: setting.key.clone(),
            value,
            source,
        };
        EffectiveSetting::new(shown, given.unwrap_or_default())
    });
    of.collect()
}

/// Formats settings as lines. A setting without a value is a comment.
#[must_use]
pub fn lines<'a>(settings: impl IntoIterator<Item = &'a Setting>) -> String {
    let mut text = String::new();
    for Setting { key, value, source } in settings {
        let _ = match value {
            Some(value) => writeln!(text, "{key} = {value}  # {source}"),
            None => writeln!(text, "# {key} is not set"),
        };
    }
    text
}

/// Returns a value without secrets: those of a plugin's settings, and the user and password of a URL.
fn shown(key: &str, value: &str) -> String {
    if key == SECRETS {
        let (name, _) = value.split_once('=').unwrap_or((value, ""));
        return format!("{name}={HIDDEN}");
    }
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_string();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}{path}"),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
