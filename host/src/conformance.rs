//! One suite that says whether a registry keeps the contract of the WIT package.
//!
//! It knows a registry only as a [`Subject`], so the same checks run against a component in the sandbox
//! and against a registry that is not a component at all. Each check begins with a subject of its own and
//! says in words what it found.
//!
//! [`CONTRACT`] holds for every component. [`REFERENCE`] is about what the reference component decides by
//! itself: the names of labels, the weights and the settings.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "it counts with constants of its own"
)]

mod component;
mod contract;
mod reference;
mod subject;

use std::collections::BTreeMap;

pub use component::ComponentSubject;
pub use contract::CONTRACT;
pub use reference::REFERENCE;
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
    /// What was found instead, if it does not hold.
    pub broken: Option<Broken>,
}

/// Runs checks, each on fresh subjects.
pub fn run(checks: &[Check], factory: &Factory<'_>) -> Vec<Report> {
    checks
        .iter()
        .map(|check| Report {
            name: check.name,
            what: check.what,
            broken: (check.run)(factory).err(),
        })
        .collect()
}
