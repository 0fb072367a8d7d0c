//! The settings file: TOML with the keys that the arguments declare.
//!
//! A file is accepted as a whole or refused; the error names all problems at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use toml::{Table, Value};

use super::setting::{GIVEN_BYTES_MAX, Setting, ValueKind, quoted, validate};
use crate::suggest::did_you_mean;
use crate::trusted_file;
use edge_cache_core::text;

/// The longest excerpt of a key in an error, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// Reads the values of a file, by the id of their argument.
pub(super) fn read(
    path: &Path,
    settings: &[Setting<'_>],
) -> Result<BTreeMap<String, Vec<OsString>>> {
    values(path, settings)
        .with_context(|| format!("cannot use the settings file {}", path.display()))
}

fn values(path: &Path, settings: &[Setting<'_>]) -> Result<BTreeMap<String, Vec<OsString>>> {
    let bytes = trusted_file::read_public(path)?;
    let text = std::str::from_utf8(&bytes)?;
    let mut reader = Reader {
        settings,
        values: BTreeMap::new(),
        problems: Vec::new(),
    };
    reader.section("", &parse(text)?);
    // The parser of the command line cuts an error that is too long.
    ensure!(reader.problems.is_empty(), reader.problems.join("; "));
    Ok(reader.values)
}

fn parse(text: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let breaks = before.unwrap_or_default().matches('\n').count();
        let reason = error.message().replace('\n', ", ");
        anyhow!(
            "line {} is not TOML: {}",
            breaks.saturating_add(1),
            text::clean(&reason, text::ERROR_BYTES_MAX)
        )
    })
}

struct Reader<'a> {
    settings: &'a [Setting<'a>],
    values: BTreeMap<String, Vec<OsString>>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn section(&mut self, section: &str, table: &Table) {
        for (name, value) in table {
            let key = match section {
                "" => name.clone(),
                section => format!("{section}.{name}"),
            };
            let settings = self.settings;
            let setting = settings.iter().find(|setting| setting.key == key);
            match (setting, value) {
                (Some(setting), value) => self.value(setting, value),
                (None, Value::Table(table)) if self.is_section(&key) => self.section(&key, table),
                (None, value) if self.is_section(&key) => self.problems.push(format!(
                    "`{key}` must be a section, `[{key}]`, not {}",
                    describe(value)
                )),
                (None, _) => self.unknown(&key),
            }
        }
    }

    fn value(&mut self, setting: &Setting<'_>, value: &Value) {
        match checked(setting, value) {
            Ok(values) => {
                let id = setting.arg.get_id().to_string();
                self.values.insert(id, values);
            }
            Err(problem) => self.problems.push(format!("`{}` {problem}", setting.key)),
        }
    }

    fn unknown(&mut self, key: &str) {
        let sections = self.settings.iter().filter_map(|setting| {
            let (section, _) = setting.key.rsplit_once('.')?;
            Some(section)
        });
        let known = self.settings.iter().map(|setting| setting.key.as_str());
        let suggestion = did_you_mean(key, known.chain(sections));
        let key = text::clean(key, KEY_BYTES_MAX);
        let problem = format!("there is no setting `{key}`{suggestion}");
        self.problems.push(problem);
    }

    fn is_section(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| {
            let rest = setting.key.strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

/// Converts a value to arguments of the command line. The error says what is wrong with it.
fn checked(setting: &Setting<'_>, value: &Value) -> Result<Vec<OsString>, String> {
    let given = describe(value);
    let values = texts(setting.kind, value)
        .ok_or_else(|| format!("must be {}, not {given}", wanted(setting)))?;
    if let Some((part, character)) = forbidden_character(setting, value, &values) {
        let part = quoted(part);
        return Err(format!(
            "cannot be {part}: it must not contain {character:?}"
        ));
    }
    let values: Vec<OsString> = values.into_iter().map(Into::into).collect();
    match validate(setting.arg, &values) {
        Ok(()) => Ok(values),
        Err(reason) => Err(format!("cannot be {given}: {reason}")),
    }
}

/// Converts a value to command line texts. `None` if the type does not match.
fn texts(kind: ValueKind, value: &Value) -> Option<Vec<String>> {
    match (kind, value) {
        (ValueKind::Boolean, Value::Boolean(switch)) => Some(vec![switch.to_string()]),
        (ValueKind::Number, Value::Integer(number)) => Some(vec![number.to_string()]),
        (ValueKind::Number | ValueKind::Text, Value::String(text)) => Some(vec![text.clone()]),
        (ValueKind::List | ValueKind::Table, Value::Array(parts)) => parts
            .iter()
            .map(|part| part.as_str().map(str::to_string))
            .collect(),
        (ValueKind::Table, Value::Table(table)) => table
            .iter()
            .map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
            .collect(),
        _ => None,
    }
}

/// Finds a text that contains the delimiter of its argument, or a key that contains `=`.
fn forbidden_character<'a>(
    setting: &Setting<'_>,
    value: &'a Value,
    values: &'a [String],
) -> Option<(&'a str, char)> {
    let mut keys = value.as_table().into_iter().flat_map(Table::keys);
    if let Some(key) = keys.find(|key| key.contains('=')) {
        return Some((key, '='));
    }
    let delimiter = setting.arg.get_value_delimiter()?;
    let part = values.iter().find(|text| text.contains(delimiter))?;
    Some((part, delimiter))
}

fn wanted(setting: &Setting<'_>) -> String {
    let default = setting.arg.get_default_values().first();
    let like = default
        .filter(|default| !default.is_empty())
        .map(|default| format!(", for example \"{}\"", default.to_string_lossy()))
        .unwrap_or_default();
    match setting.kind {
        ValueKind::Boolean => "true or false".to_string(),
        ValueKind::Number => "a whole number".to_string(),
        ValueKind::Text => format!("a string{like}"),
        ValueKind::List => "a list of strings, for example [\"a\", \"b\"]".to_string(),
        ValueKind::Table => "a table of strings, for example { key = \"value\" }".to_string(),
    }
}

/// Returns an excerpt of a value, as JSON.
fn describe(value: &Value) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    text::clean(&json, GIVEN_BYTES_MAX)
}
