//! Differences between a component and the world.

use thiserror::Error;

use super::difference::{Difference, differences};
use super::names::{PACKAGE, POLICY_PACKAGE, VERSION, without_version};

/// Largest number of differences of one function in a text.
const DIFFERENCES_SHOWN: usize = 8;

/// A difference between a component and the world.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The component does not export the interface.
    #[error(
        "it does not export the interface `{interface}`{}",
        other.as_ref().map(|other| format!(", but `{other}`")).unwrap_or_default()
    )]
    MissingInterface {
        /// Interface with its version.
        interface: String,
        /// Full name of the exported interface in another version, if there is one.
        other: Option<String>,
    },
    /// The component does not export the function.
    #[error("it does not export `{function}`, which must be `{expected}`")]
    MissingExport {
        /// Interface with its version, and the function.
        function: String,
        /// Expected signature.
        expected: &'static str,
    },
    /// The component exports or imports the function with another signature.
    #[error(
        "its {direction} `{function}` has another signature: {}",
        list(expected, found)
    )]
    Differs {
        /// `export` or `import`.
        direction: &'static str,
        /// Interface with its version, and the function.
        function: String,
        /// Expected signature.
        expected: &'static str,
        /// Signature in the component.
        found: String,
    },
    /// The component imports an interface or a function that the host does not provide.
    #[error("it imports `{name}`, which {reason}", name = .0, reason = unknown(.0))]
    UnknownImport(String),
    /// The component imports an interface that the host provides only in another version.
    #[error("it imports `{name}`, which this host has only {served}: {advice}", advice = for_version(name))]
    ImportVersion {
        /// Interface with its version.
        name: String,
        /// Description of the provided version.
        served: &'static str,
    },
    /// The component imports an interface that the operator did not grant.
    #[error(
        "it imports `{name}`, which is not granted; add \"{bare}\" to `plugin.imports` to grant it",
        name = .0,
        bare = without_version(.0)
    )]
    NotGranted(String),
}

impl Mismatch {
    /// Returns the places where two signatures differ. Empty for a mismatch of another kind.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        match self {
            Self::Differs {
                expected, found, ..
            } => differences(expected, found),
            _ => Vec::new(),
        }
    }
}

fn list(expected: &str, found: &str) -> String {
    let all = differences(expected, found);
    let shown = all.iter().take(DIFFERENCES_SHOWN).map(ToString::to_string);
    let mut shown: Vec<String> = shown.collect();
    let more = all.len().saturating_sub(shown.len());
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(" | ")
}

/// Advice about an import of WASI 0.3.
const WITHOUT_ASYNC: &str =
    "build for WASI 0.2 and without async, in Rust with the target wasm32-wasip2";

/// Says what to do about an import of another version.
fn for_version(name: &str) -> &'static str {
    match name.split_once('@') {
        Some((bare, version)) if bare.starts_with("wasi:") && version.starts_with("0.3") => {
            WITHOUT_ASYNC
        }
        _ => "build against the interfaces of that version",
    }
}

/// Says why the host does not have an import, and what to do.
fn unknown(name: &str) -> String {
    let bare = without_version(name);
    let version = name.strip_prefix(bare).unwrap_or_default();
    if bare.starts_with(POLICY_PACKAGE) {
        "a policy has, and no host: `plugin compose` makes a plugin of this one and a policy"
            .to_string()
    } else if bare.starts_with(PACKAGE) {
        format!("a host of {VERSION} does not have; it may need a later one")
    } else if bare.starts_with("wasi:") && version.starts_with("@0.3") {
        format!("is of WASI 0.3, and this host has WASI 0.2: {WITHOUT_ASYNC}")
    } else if bare.starts_with("wasi:") {
        "this host does not have, and no setting can grant it: build without it".to_string()
    } else {
        "this host does not have, and no setting can grant it: `plugin inspect` shows the imports that are granted"
            .to_string()
    }
}
