//! Rules: whose signatures let a plugin in.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use semver::Version;

use super::key::PublicKey;
use super::name::Pattern;

/// A key with its name in the trust file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedKey {
    pub(crate) name: String,
    pub(crate) key: PublicKey,
}

/// A rule of a trust file. At least one of its lists of keys is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: RuleName,
    pub(crate) pattern: Pattern,
    /// Each of these keys must have signed.
    pub(crate) all_of: Vec<Arc<NamedKey>>,
    /// At least one of these keys must have signed, unless there are none.
    pub(crate) any_of: Vec<Arc<NamedKey>>,
    /// The identity that signatures must hold; by default the name of the repository.
    pub(crate) identity: Option<Pattern>,
    /// The least version of the manifest.
    pub(crate) minimum: Option<Version>,
    /// The time after which the rule lets nothing in.
    pub(crate) not_after: Option<Timestamp>,
}

/// The place of a rule in the trust file, from 1, and its pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleName {
    /// The place of the rule, from 1.
    pub number: usize,
    /// The pattern of repositories.
    pub pattern: String,
}

impl Rule {
    /// Returns the keys of both lists, each once.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &NamedKey> {
        let others = self.any_of.iter().filter(|key| !self.all_of.contains(key));
        self.all_of.iter().chain(others).map(|key| &**key)
    }

    /// Returns whether an identity in a signature is right for a repository.
    pub(crate) fn has_right_identity(&self, identity: &str, repository: &str) -> bool {
        match &self.identity {
            Some(pattern) => pattern.matches(identity),
            None => identity == repository,
        }
    }

    /// Returns whether the signatures of these keys are enough.
    pub(crate) fn is_met_by(&self, keys: &[&str]) -> bool {
        let has = |key: &Arc<NamedKey>| keys.contains(&&*key.name);
        self.all_of.iter().all(has) && (self.any_of.is_empty() || self.any_of.iter().any(has))
    }

    /// Describes the keys that must have signed.
    pub(crate) fn wanted(&self) -> String {
        let names = |keys: &[Arc<NamedKey>], joint| {
            let names: Vec<_> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
            names.join(joint)
        };
        let all = names(&self.all_of, " and ");
        let any = names(&self.any_of, " or ");
        match (&*all, &*any) {
            (all, "") => all.to_string(),
            ("", any) => any.to_string(),
            (all, any) if self.any_of.len() == 1 => format!("{all} and {any}"),
            (all, any) => format!("{all} and one of {any}"),
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} (`{}`)", self.number, self.pattern)
    }
}
