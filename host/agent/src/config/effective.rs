//! The settings in effect, each with its source. Secrets are left out.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::Layers;
use super::literal::literal;
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
        let values = given.as_ref().map(|values| {
            let values = values.iter().map(|value| value.to_string_lossy());
            let shown = values.map(|value| shown(&setting.key, &value));
            shown.collect::<Vec<_>>()
        });
        let shown = Setting {
            key: setting.key.clone(),
            value: values.as_ref().map(|values| values.join(", ")),
            source,
        };
        let is_hidden = values.iter().flatten().any(|value| value.contains(HIDDEN));
        let switch = matches.try_get_one::<bool>(id).ok().flatten();
        let values = switch.map_or(values, |switch| Some(vec![switch.to_string()]));
        let literal = values.map(|values| literal(setting.kind, &values));
        let line = line(&shown, literal.as_deref(), is_hidden);
        EffectiveSetting::new(shown, given.unwrap_or_default(), line)
    });
    of.collect()
}

/// Returns a line of a settings file. A setting without a value is a comment, and so is one with a hidden value: a file
/// with it would mean something else.
fn line(setting: &Setting, literal: Option<&str>, is_hidden: bool) -> String {
    let Setting { key, source, .. } = setting;
    match literal {
        None => format!("# {key} is not set"),
        Some(literal) if is_hidden => format!("# {key} = {literal}  # {source}"),
        Some(literal) => format!("{key} = {literal}  # {source}"),
    }
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
