//! A check, its result, and the function that runs checks.

use std::collections::BTreeMap;

use crate::registry::{RegistryUnderTest, Violation};

/// Settings of a registry under test, as `wasi:config` gives them.
pub type Settings = BTreeMap<String, String>;

/// A function that makes a fresh registry with the given settings.
pub type Factory<'a> = dyn Fn(&Settings) -> Result<Box<dyn RegistryUnderTest>, Violation> + 'a;

/// A requirement and the code that verifies it.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Short, stable name.
    pub name: &'static str,
    /// Requirement, as a sentence.
    pub requirement: &'static str,
    /// Returns a reason to skip the check, if the policy of the registry leaves nothing to verify.
    pub skip_reason: fn(&Factory<'_>) -> Result<Option<&'static str>, Violation>,
    /// Verifies the requirement. The error says what was found instead.
    pub run: fn(&Factory<'_>) -> Result<(), Violation>,
}

impl Check {
    /// Runs the check on fresh registries.
    pub(crate) fn verdict(&self, factory: &Factory<'_>) -> Verdict {
        match (self.skip_reason)(factory) {
            Ok(None) => {}
            Ok(Some(reason)) => return Verdict::Skipped(reason.to_string()),
            Err(violation) => return Verdict::Failed(violation),
        }
        match (self.run)(factory) {
            Ok(()) => Verdict::Passed,
            Err(violation) => Verdict::Failed(violation),
        }
    }

    pub(crate) fn report(&self, verdict: Verdict) -> Report {
        Report {
            name: self.name,
            requirement: self.requirement,
            verdict,
        }
    }
}

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the check.
    pub name: &'static str,
    /// Requirement, as a sentence.
    pub requirement: &'static str,
    /// Verdict of the check.
    pub verdict: Verdict,
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

/// Verdict of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The requirement holds.
    Passed,
    /// The requirement does not hold; the text says what was found instead.
    Failed(Violation),
    /// The check was not run, for this reason.
    Skipped(String),
}

/// Runs checks, each on fresh registries.
pub fn run(checks: &[Check], factory: &Factory<'_>) -> Vec<Report> {
    checks
        .iter()
        .map(|check| check.report(check.verdict(factory)))
        .collect()
}

/// Never skips; the [`Check::skip_reason`] of a check that every registry must pass.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the field of a check takes a fallible function"
)]
pub(crate) fn never_skip(_: &Factory<'_>) -> Result<Option<&'static str>, Violation> {
    Ok(None)
}
