//! The settings file: TOML with the keys that the arguments declare.
//!
//! A file is accepted as a whole or refused; the error names all problems at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::{Table, Value};

use super::setting::{Setting, ValueKind, quoted, validate};
use crate::suggest::nearest;
use edge_cache_core::text;

/// The largest file. A file with every setting and its explanation has a tenth of this size.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// The number of problems that an error names.
const PROBLEMS_SHOWN: usize = 16;
/// The longest excerpt of a key in an error, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// A settings file that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read the settings file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file exceeds the size limit.
    #[error("the settings file {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size limit.
        limit: u64,
    },
    /// The file is not TOML.
    #[error("line {line} of the settings file {} is not TOML: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The error of the parser.
        reason: String,
    },
    /// The file has invalid settings.
    #[error("the settings file {}: {}", path.display(), list(problems))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All problems of the file.
        problems: Vec<Problem>,
    },
}

/// A problem with one key of a settings file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The key is not a setting.
    #[error("there is no setting `{key}`{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The key, with dots.
        key: String,
        /// The most similar key.
        nearest: Option<String>,
    },
    /// The value has the wrong type.
    #[error("`{key}` must be {wanted}, not {given}")]
    Type {
        /// The key, with dots.
        key: String,
        /// The expected type.
        wanted: String,
        /// The given value.
        given: String,
    },
    /// The value has the right type and is invalid.
    #[error("`{key}` cannot be {given}: {reason}")]
    Value {
        /// The key, with dots.
        key: String,
        /// The given value.
        given: String,
        /// The accepted notation.
        reason: String,
    },
}

/// Reads the values of a file, by the id of their argument.
pub(super) fn read(
    path: &Path,
    settings: &[Setting<'_>],
) -> Result<BTreeMap<String, Vec<OsString>>, FileError> {
    let table = parse(path, &load(path)?)?;
    let mut reader = Reader {
        settings,
        values: BTreeMap::new(),
        problems: Vec::new(),
    };
    reader.section("", &table);
    if reader.problems.is_empty() {
        return Ok(reader.values);
    }
    Err(FileError::Wrong {
        path: path.to_path_buf(),
        problems: reader.problems,
    })
}

fn load(path: &Path) -> Result<String, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut text = String::new();
    let read = File::open(path)
        .map_err(failed)?
        .take(FILE_BYTES_MAX.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(failed)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(FileError::TooLarge {
            path: path.to_path_buf(),
            limit: FILE_BYTES_MAX,
        });
    }
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<Table, FileError> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        FileError::Syntax {
            path: path.to_path_buf(),
            line: before
                .unwrap_or_default()
                .matches('\n')
                .count()
                .saturating_add(1),
            reason: text::clean(&error.message().replace('\n', ", "), text::ERROR_BYTES_MAX),
        }
    })
}

struct Reader<'a> {
    settings: &'a [Setting<'a>],
    values: BTreeMap<String, Vec<OsString>>,
    problems: Vec<Problem>,
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
                (None, value) if self.is_section(&key) => self.problems.push(Problem::Type {
                    wanted: format!("a section, `[{key}]`"),
                    given: describe(value),
                    key,
                }),
                (None, _) => self.unknown(&key),
            }
        }
    }

    fn value(&mut self, setting: &Setting<'_>, value: &Value) {
        let key = setting.key.clone();
        let given = describe(value);
        let Some(values) = texts(setting.kind, value) else {
            let wanted = wanted(setting);
            self.problems.push(Problem::Type { key, wanted, given });
            return;
        };
        if let Some((part, character)) = forbidden_character(setting, value, &values) {
            self.problems.push(Problem::Value {
                given: quoted(part),
                reason: format!("it must not contain {character:?}"),
                key,
            });
            return;
        }
        let values: Vec<OsString> = values.into_iter().map(Into::into).collect();
        match validate(setting.arg, &values) {
            Ok(()) => {
                let id = setting.arg.get_id().to_string();
                self.values.insert(id, values);
            }
            Err(reason) => self.problems.push(Problem::Value { key, given, reason }),
        }
    }

    fn unknown(&mut self, key: &str) {
        let sections = self.settings.iter().filter_map(|setting| {
            let (section, _) = setting.key.rsplit_once('.')?;
            Some(section)
        });
        let known = self.settings.iter().map(|setting| setting.key.as_str());
        let problem = Problem::Unknown {
            key: text::clean(key, KEY_BYTES_MAX),
            nearest: nearest(key, known.chain(sections)).map(str::to_string),
        };
        self.problems.push(problem);
    }

    fn is_section(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| {
            let rest = setting.key.strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with('.'))
        })
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

fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(switch) => switch.to_string(),
        Value::Datetime(_) => "a date".to_string(),
        Value::Array(parts) => match parts.iter().find(|part| !part.is_str()) {
            Some(part) => format!("a list with {}", describe_part(part)),
            None => "this list".to_string(),
        },
        Value::Table(table) => match table.iter().find(|(_, part)| !part.is_str()) {
            Some((key, part)) => {
                format!("a table with {} for {}", describe_part(part), quoted(key))
            }
            None => "this table".to_string(),
        },
    }
}

/// Describes an element without its own elements.
fn describe_part(part: &Value) -> String {
    match part {
        Value::Array(_) => "a list".to_string(),
        Value::Table(_) => "a table".to_string(),
        part => describe(part),
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

fn list(problems: &[Problem]) -> String {
    let mut list: Vec<String> = problems
        .iter()
        .take(PROBLEMS_SHOWN)
        .map(ToString::to_string)
        .collect();
    let more = problems.len().saturating_sub(list.len());
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list.join("; ")
}
