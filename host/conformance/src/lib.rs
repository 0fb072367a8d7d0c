//! One suite that says whether a registry keeps the contract of the WIT package.
//!
//! It knows a registry only as a [`Subject`], so the same checks run against a component in the sandbox
//! and against a registry that is not a component at all. Each check begins with a subject of its own and
//! says in words what it found.
//!
//! [`CONTRACT`] holds for every component. [`REFERENCE`] is about what the reference component decides by
//! itself: the names of labels, the weights and the settings. [`examine`] runs them against a component and
//! measures its calls.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "it counts with constants of its own"
)]
// Guest data reaches most of this crate: what could overflow says what then.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod component;
mod contract;
mod examination;
mod measure;
mod reference;
mod samples;
mod subject;
mod words;

use std::collections::BTreeMap;

pub use component::ComponentSubject;
pub use contract::CONTRACT;
pub use examination::{Examination, SampleReport, examine};
pub use measure::{CallCost, Costs, ENTRIES};
pub use reference::REFERENCE;
pub use samples::{SAMPLES_MAX, Samples, SamplesError};
pub use subject::{Broken, OWN_NODE, Subject};

/// The settings of a subject, as `wasi:config` would give them.
pub type Settings = BTreeMap<String, String>;

/// Makes a fresh subject with these settings.
pub type Factory<'a> = dyn Fn(&Settings) -> Result<Box<dyn Subject>, Broken> + 'a;

/// One thing that must hold.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// A short name, the same for good.
    pub name: &'static str,
    /// What must hold, as a sentence.
    pub what: &'static str,
    /// Why there is nothing to look at in a registry of this policy, where there is not.
    pub inapplicable: fn(&Factory<'_>) -> Result<Option<&'static str>, Broken>,
    /// Looks whether it does; the text of an error says what was found instead.
    pub run: fn(&Factory<'_>) -> Result<(), Broken>,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The check's name.
    pub name: &'static str,
    /// What must hold.
    pub what: &'static str,
    /// Whether it does.
    pub outcome: Outcome,
}

/// Whether something holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Holds,
    /// It does not; this was found instead.
    Broken(Broken),
    /// Nobody looked, for this reason.
    Skipped(String),
}

impl Report {
    /// What was found instead, if it does not hold.
    pub fn broken(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Broken(broken) => Some(broken),
            _ => None,
        }
    }
}

impl Check {
    fn report(&self, outcome: Outcome) -> Report {
        Report {
            name: self.name,
            what: self.what,
            outcome,
        }
    }

    fn look(&self, factory: &Factory<'_>) -> Outcome {
        match (self.inapplicable)(factory) {
            Ok(None) => {}
            Ok(Some(reason)) => return Outcome::Skipped(reason.to_string()),
            Err(broken) => return Outcome::Broken(broken),
        }
        match (self.run)(factory) {
            Ok(()) => Outcome::Holds,
            Err(broken) => Outcome::Broken(broken),
        }
    }
}

/// Runs checks, each on fresh subjects.
pub fn run(checks: &[Check], factory: &Factory<'_>) -> Vec<Report> {
    checks
        .iter()
        .map(|check| check.report(check.look(factory)))
        .collect()
}

/// Of a check that there is something to look at in every registry.
#[allow(
    clippy::unnecessary_wraps,
    reason = "it is one of several functions of the same kind"
)]
fn never(_: &Factory<'_>) -> Result<Option<&'static str>, Broken> {
    Ok(None)
}
