//! A check, its result, and the function that runs checks.

use std::collections::BTreeMap;

use crate::registry::{RegistryUnderTest, Violation};

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

impl Check {
    /// Runs the check on fresh registries.
    pub(crate) fn verdict(&self, factory: &Factory<'_>) -> Verdict {
        match self.skip_reason.map_or(Ok(None), |skip| skip(factory)) {
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
