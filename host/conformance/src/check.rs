//! A check, its result, and the function that runs checks.

use std::collections::BTreeMap;

use edge_cache_core::text;
use serde::Serialize;

use crate::registry::{RegistryUnderTest, Violation};

/// Longest violation in a report, in bytes: a list of 20,000 entries is no help.
pub(crate) const VIOLATION_BYTES_MAX: usize = 1024;

/// Settings of a registry under test, as `wasi:config` gives them.
pub type Settings = BTreeMap<String, String>;

/// A function that makes a fresh registry with the given settings.
pub type Factory<'a> = dyn Fn(&Settings) -> Result<Box<dyn RegistryUnderTest>, Violation> + 'a;

/// A function that returns a reason to skip a check, if there is one.
pub type SkipReason = fn(&Factory<'_>) -> Result<Option<&'static str>, Violation>;

/// A requirement and the code that verifies it.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Short, stable name.
    pub name: &'static str,
    /// Requirement, as a sentence.
    pub requirement: &'static str,
    /// Returns a reason to skip the check, where the policy of the registry leaves nothing to verify.
    pub skip_reason: Option<SkipReason>,
    /// Verifies the requirement. The error says what was found instead.
    pub run: fn(&Factory<'_>) -> Result<(), Violation>,
}

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Name of the check.
    pub name: &'static str,
    /// Requirement, as a sentence.
    #[serde(rename = "what")]
    pub requirement: &'static str,
    /// Verdict of the check.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Verdict of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", content = "found", rename_all = "lowercase")]
pub enum Verdict {
    /// The requirement holds.
    #[serde(rename = "ok")]
    Passed,
    /// The requirement does not hold; the text says what was found instead.
    Failed(Violation),
    /// The check was not run, for this reason.
    Skipped(String),
}

impl Check {
    /// Runs the check on fresh registries.
    pub(crate) fn report(&self, factory: &Factory<'_>) -> Report {
        let verdict = match self.skip_reason.map_or(Ok(None), |skip| skip(factory)) {
            Ok(None) => (self.run)(factory).into(),
            Ok(Some(reason)) => Verdict::Skipped(reason.to_string()),
            Err(violation) => Verdict::failed(&violation),
        };
        self.with(verdict)
    }

    pub(crate) fn with(&self, verdict: Verdict) -> Report {
        Report {
            name: self.name,
            requirement: self.requirement,
            verdict,
        }
    }
}

impl Report {
    /// Returns what was found instead, if the check failed.
    pub fn violation(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Failed(violation) => Some(violation),
            _ => None,
        }
    }
}

impl Verdict {
    /// Returns the verdict of a violation, whose text is cut and cleaned.
    pub fn failed(violation: &str) -> Self {
        Self::Failed(text::clean(violation, VIOLATION_BYTES_MAX))
    }
}

impl From<Result<(), Violation>> for Verdict {
    fn from(result: Result<(), Violation>) -> Self {
        result.map_or_else(|violation| Self::failed(&violation), |()| Self::Passed)
    }
}

/// Runs checks, each on fresh registries.
pub fn run(checks: &[Check], factory: &Factory<'_>) -> Vec<Report> {
    checks.iter().map(|check| check.report(factory)).collect()
}

/// Makes a list of checks: each has a name, a function, where needed a [`SkipReason`], and the requirement.
macro_rules! checks {
    ($($name:literal $run:path $([skip $skip:path])?: $requirement:literal;)*) => {
        &[$(Check {
            name: $name,
            requirement: $requirement,
            skip_reason: crate::check::checks!(@skip $($skip)?),
            run: $run,
        }),*]
    };
    (@skip) => { None };
    (@skip $skip:path) => { Some($skip) };
}
pub(crate) use checks;
