//! The trust file: TOML with keys and rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use semver::Version;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;
use toml::value::Datetime;

use super::key::{InvalidKey, PublicKey};
use super::name::{InvalidPattern, Pattern};
use super::rule::{NamedKey, Rule, RuleName};
use crate::digest::{Digest, InvalidDigest};
use edge_cache_core::text;

/// The most keys of a trust file.
pub const KEYS_MAX: usize = 64;
/// The most rules of a trust file.
pub const RULES_MAX: usize = 256;
/// The longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The longest excerpt of the file in an error, in bytes.
const EXCERPT_BYTES_MAX: usize = 128;

/// A trust file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct InvalidTrust {
    /// The line of the problem, from 1.
    pub line: usize,
    /// The problem.
    pub problem: TrustProblem,
}

/// A reason why a trust file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustProblem {
    /// The file is no TOML, or has another field or type.
    #[error("{0}")]
    Toml(String),
    /// The file has no rule.
    #[error("it holds no rule, and would refuse every plugin: add `[[rules]]`")]
    NoRules,
    /// The file has more rules than [`RULES_MAX`].
    #[error("it holds {count} rules: at most {RULES_MAX} are allowed")]
    Rules {
        /// The number of rules.
        count: usize,
    },
    /// The file has more keys than [`KEYS_MAX`].
    #[error("it holds {count} keys: at most {KEYS_MAX} are allowed")]
    Keys {
        /// The number of keys.
        count: usize,
    },
    /// A denied digest is no digest.
    #[error("`denied` holds `{given}`: {source}")]
    Denied {
        /// The text, shortened.
        given: String,
        /// The reason.
        source: InvalidDigest,
    },
    /// The name of a key has other characters.
    #[error(
        "the name of the key `{name}` must have 1 to {NAME_BYTES_MAX} letters, digits, dots, dashes and underscores"
    )]
    KeyName {
        /// The name, shortened.
        name: String,
    },
    /// A key cannot be used.
    #[error("the key `{name}` cannot be used: {source}")]
    Key {
        /// The name.
        name: String,
        /// The reason.
        source: InvalidKey,
    },
    /// Two names mean the same key.
    #[error(
        "the key `{name}` is the key `{first}` again: a key has one name, so that it counts once"
    )]
    SameKey {
        /// The second name.
        name: String,
        /// The first name.
        first: String,
    },
    /// No rule uses a key.
    #[error(
        "no rule names the key `{name}`: put it into `any_of` or `all_of` of a rule, or remove it"
    )]
    UnusedKey {
        /// The name.
        name: String,
    },
    /// A rule names no key.
    #[error("rule {rule} names no key: give it `any_of`, `all_of` or both")]
    NoKeys {
        /// The place of the rule.
        rule: usize,
    },
    /// A rule names a key that the file does not have.
    #[error("rule {rule} names the key `{name}`, which is not in `[keys]`{known}")]
    UnknownKey {
        /// The place of the rule.
        rule: usize,
        /// The name, shortened.
        name: String,
        /// The names that are there.
        known: String,
    },
    /// A list names a key twice.
    #[error("rule {rule} names the key `{name}` twice in one list: a key counts once")]
    RepeatedKey {
        /// The place of the rule.
        rule: usize,
        /// The name.
        name: String,
    },
    /// A pattern cannot be used.
    #[error("`{field}` of rule {rule} cannot be `{given}`: {source}")]
    Pattern {
        /// The place of the rule.
        rule: usize,
        /// The field.
        field: &'static str,
        /// The text, shortened.
        given: String,
        /// The reason.
        source: InvalidPattern,
    },
    /// An earlier rule applies to everything that a rule is for.
    #[error(
        "rule {rule} never applies: rule {earlier} is before it and covers `{pattern}`, and the first rule that matches \
         applies; put the narrower one first"
    )]
    Covered {
        /// The place of the rule.
        rule: usize,
        /// The place of the earlier one.
        earlier: usize,
        /// The pattern of the rule.
        pattern: String,
    },
    /// The least version is no version.
    #[error(
        "`minimum` of rule {rule} cannot be `{given}`: it must be a semantic version, for example \"1.2.0\""
    )]
    Minimum {
        /// The place of the rule.
        rule: usize,
        /// The text, shortened.
        given: String,
    },
    /// The end of a rule is no time.
    #[error(
        "`not_after` of rule {rule} cannot be {given}: it must be a time with its offset, for example 2027-06-01T00:00:00Z"
    )]
    NotAfter {
        /// The place of the rule.
        rule: usize,
        /// The time.
        given: String,
    },
}

/// The parts of a trust file.
#[derive(Debug, Clone)]
pub(crate) struct TrustFile {
    pub(crate) denied: Vec<Digest>,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileToml {
    #[serde(default)]
    denied: Vec<Spanned<String>>,
    #[serde(default)]
    keys: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    rules: Vec<Spanned<RuleToml>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleToml {
    repository: Spanned<String>,
    #[serde(default)]
    all_of: Vec<Spanned<String>>,
    #[serde(default)]
    any_of: Vec<Spanned<String>>,
    identity: Option<Spanned<String>>,
    minimum: Option<Spanned<String>>,
    not_after: Option<Spanned<Datetime>>,
}

impl TrustFile {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTrust> {
        parse(text).map_err(|(offset, problem)| {
            let before = text.get(..offset).unwrap_or(text);
            let line = before.matches('\n').count().saturating_add(1);
            InvalidTrust { line, problem }
        })
    }
}

/// A problem and its place in the file, in bytes.
type Found = (usize, TrustProblem);
type Keys = BTreeMap<String, Arc<NamedKey>>;

fn parse(text: &str) -> Result<TrustFile, Found> {
    let file: FileToml = toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let reason = error.message().replace('\n', ", ");
        let reason = text::clean(&reason, text::ERROR_BYTES_MAX);
        (offset, TrustProblem::Toml(reason))
    })?;
    let denied = file.denied.iter().map(|digest| {
        digest.get_ref().parse().map_err(|source| {
            let given = excerpt(digest.get_ref());
            at(digest, TrustProblem::Denied { given, source })
        })
    });
    let denied = denied.collect::<Result<_, _>>()?;
    let keys = keys(&file.keys)?;
    let count = file.rules.len();
    match count {
        0 => return Err((text.len(), TrustProblem::NoRules)),
        1..=RULES_MAX => {}
        _ => return Err((text.len(), TrustProblem::Rules { count })),
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(count);
    for (number, toml) in (1..).zip(&file.rules) {
        let rule = rule(number, toml, &keys)?;
        if let Some(earlier) = rules
            .iter()
            .find(|earlier| earlier.pattern.covers(&rule.pattern))
        {
            let covered = TrustProblem::Covered {
                rule: number,
                earlier: earlier.name.number,
                pattern: rule.name.pattern,
            };
            return Err(at(&toml.get_ref().repository, covered));
        }
        rules.push(rule);
    }
    for (name, key) in &file.keys {
        if !rules
            .iter()
            .any(|rule| rule.keys().any(|key| key.name == *name))
        {
            let name = name.clone();
            return Err(at(key, TrustProblem::UnusedKey { name }));
        }
    }
    Ok(TrustFile { denied, rules })
}

fn keys(toml: &BTreeMap<String, Spanned<String>>) -> Result<Keys, Found> {
    let mut keys = Keys::new();
    for (name, pem) in toml {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) {
            let name = excerpt(name);
            return Err(at(pem, TrustProblem::KeyName { name }));
        }
        let name = name.clone();
        let key = match PublicKey::from_pem(pem.get_ref()) {
            Ok(key) => key,
            Err(source) => return Err(at(pem, TrustProblem::Key { name, source })),
        };
        if let Some(first) = keys.values().find(|first| first.key == key) {
            let first = first.name.clone();
            return Err(at(pem, TrustProblem::SameKey { name, first }));
        }
        if keys.len() >= KEYS_MAX {
            let count = toml.len();
            return Err(at(pem, TrustProblem::Keys { count }));
        }
        keys.insert(name.clone(), Arc::new(NamedKey { name, key }));
    }
    Ok(keys)
}

fn rule(number: usize, toml: &Spanned<RuleToml>, keys: &Keys) -> Result<Rule, Found> {
    let rule = toml.get_ref();
    let pattern = pattern(number, "repository", &rule.repository)?;
    let all_of = named(number, &rule.all_of, keys)?;
    let any_of = named(number, &rule.any_of, keys)?;
    if all_of.is_empty() && any_of.is_empty() {
        return Err(at(toml, TrustProblem::NoKeys { rule: number }));
    }
    let identity = rule.identity.as_ref();
    let identity = identity.map(|identity| self::pattern(number, "identity", identity));
    let minimum = rule.minimum.as_ref().map(|minimum| {
        Version::parse(minimum.get_ref()).map_err(|_| {
            let given = excerpt(minimum.get_ref());
            at(
                minimum,
                TrustProblem::Minimum {
                    rule: number,
                    given,
                },
            )
        })
    });
    let not_after = rule.not_after.as_ref().map(|end| {
        let given = end.get_ref().to_string();
        given.parse::<Timestamp>().map_err(|_| {
            at(
                end,
                TrustProblem::NotAfter {
                    rule: number,
                    given,
                },
            )
        })
    });
    Ok(Rule {
        name: RuleName {
            number,
            pattern: pattern.as_str().to_string(),
        },
        pattern,
        all_of,
        any_of,
        identity: identity.transpose()?,
        minimum: minimum.transpose()?,
        not_after: not_after.transpose()?,
    })
}

/// Looks up the keys that a list names.
fn named(rule: usize, names: &[Spanned<String>], keys: &Keys) -> Result<Vec<Arc<NamedKey>>, Found> {
    let mut found: Vec<Arc<NamedKey>> = Vec::with_capacity(names.len().min(KEYS_MAX));
    for name in names {
        let given = excerpt(name.get_ref());
        let Some(key) = keys.get(name.get_ref()) else {
            let known: Vec<_> = keys.keys().map(|key| format!("`{key}`")).collect();
            let unknown = TrustProblem::UnknownKey {
                rule,
                name: given,
                known: match &known[..] {
                    [] => String::new(),
                    known => format!(" (there: {})", known.join(", ")),
                },
            };
            return Err(at(name, unknown));
        };
        if found.contains(key) {
            return Err(at(name, TrustProblem::RepeatedKey { rule, name: given }));
        }
        found.push(Arc::clone(key));
    }
    Ok(found)
}

fn pattern(rule: usize, field: &'static str, text: &Spanned<String>) -> Result<Pattern, Found> {
    Pattern::parse(text.get_ref()).map_err(|source| {
        let given = excerpt(text.get_ref());
        let problem = TrustProblem::Pattern {
            rule,
            field,
            given,
            source,
        };
        at(text, problem)
    })
}

fn at<T>(place: &Spanned<T>, problem: TrustProblem) -> Found {
    (place.span().start, problem)
}

fn excerpt(text: &str) -> String {
    text::clean(text, EXCERPT_BYTES_MAX)
}

#[cfg(test)]
mod tests;
