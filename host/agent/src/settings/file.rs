//! The settings file: TOML, whose keys are read off the command line.
//!
//! A file is taken whole or not at all, and everything that is wrong with it is said at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::{Table, Value};

use super::{Kind, Setting, judge, nearest, quoted};
use edge_cache_core::text;

/// The largest file. One with every setting and its explanation takes less than a tenth.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// How many problems an error names.
const PROBLEMS_SHOWN: usize = 16;
/// The longest key in an error, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// Why a settings file can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// It could not be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no settings file.
    #[error("the settings file {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it may be.
        limit: u64,
    },
    /// It is not TOML.
    #[error("line {line} of the settings file {} is not TOML: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Settings in it are wrong.
    #[error("the settings file {}: {}", path.display(), list(problems))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All that is wrong with it.
        problems: Vec<Problem>,
    },
}

/// What is wrong with one key of a settings file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such setting.
    #[error("there is no setting `{key}`{}", meant(nearest.as_deref()))]
    Unknown {
        /// The key, with dots.
        key: String,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// The value is of another type.
    #[error("`{key}` must be {wanted}, not {given}")]
    Type {
        /// The key, with dots.
        key: String,
        /// What it must be.
        wanted: String,
        /// What it is.
        given: String,
    },
    /// The value is of the right type and wrong.
    #[error("`{key}` cannot be {given}: {reason}")]
    Value {
        /// The key, with dots.
        key: String,
        /// What it is.
        given: String,
        /// What would be right.
        reason: String,
    },
}

/// The values of a file, by the argument that they are for.
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
        if let Some((part, character)) = misread(setting, value, &values) {
            self.problems.push(Problem::Value {
                given: quoted(part),
                reason: format!("it may not hold {character:?}"),
                key,
            });
            return;
        }
        let values: Vec<OsString> = values.into_iter().map(Into::into).collect();
        match judge(setting.arg, &values) {
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

/// A value as the command line would have it, one text a part; `None` where it is of another type.
fn texts(kind: Kind, value: &Value) -> Option<Vec<String>> {
    match (kind, value) {
        (Kind::Switch, Value::Boolean(switch)) => Some(vec![switch.to_string()]),
        (Kind::Number, Value::Integer(number)) => Some(vec![number.to_string()]),
        (Kind::Number | Kind::Text, Value::String(text)) => Some(vec![text.clone()]),
        (Kind::List | Kind::Table, Value::Array(parts)) => parts
            .iter()
            .map(|part| part.as_str().map(str::to_string))
            .collect(),
        (Kind::Table, Value::Table(table)) => table
            .iter()
            .map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
            .collect(),
        _ => None,
    }
}

/// A part that would be read as two, or a key as a part of the value, and the character that does it.
fn misread<'a>(
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
        .map(|default| format!(", for instance \"{}\"", default.to_string_lossy()))
        .unwrap_or_default();
    match setting.kind {
        Kind::Switch => "true or false".to_string(),
        Kind::Number => "a whole number".to_string(),
        Kind::Text => format!("a text in quotes{like}"),
        Kind::List => "a list of texts, for instance [\"a\", \"b\"]".to_string(),
        Kind::Table => "a table of texts, for instance { key = \"value\" }".to_string(),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(switch) => switch.to_string(),
        Value::Datetime(_) => "a point in time".to_string(),
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

/// Parts are not looked into any further.
fn describe_part(part: &Value) -> String {
    match part {
        Value::Array(_) => "a list".to_string(),
        Value::Table(_) => "a table".to_string(),
        part => describe(part),
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; do you mean `{name}`?"))
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
