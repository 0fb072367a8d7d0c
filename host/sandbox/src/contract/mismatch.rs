//! Differences between a component and the world.

use std::fmt;

use super::names::{PACKAGE, VERSION, without_version};

/// A difference between a component and the world.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// The component does not export the interface.
    MissingInterface {
        /// Interface with its version.
        interface: String,
        /// Full name of the exported interface in another version, if there is one.
        other: Option<String>,
    },
    /// The component does not export the function.
    MissingExport {
        /// Interface with its version, and the function.
        function: String,
        /// Expected signature.
        expected: &'static str,
    },
    /// The component exports the function with another signature.
    ExportDiffers {
        /// Interface with its version, and the function.
        function: String,
        /// Expected signature.
        expected: &'static str,
        /// Signature in the component.
        found: String,
    },
    /// The component imports the function with another signature.
    ImportDiffers {
        /// Interface with its version, and the function.
        function: String,
        /// Signature of the host.
        expected: &'static str,
        /// Signature in the component.
        found: String,
    },
    /// The component imports an interface or a function that the host does not provide.
    UnknownImport(String),
    /// The component imports an interface that the host provides only in another version.
    ImportVersion {
        /// Interface with its version.
        name: String,
        /// Description of the provided version.
        served: &'static str,
    },
    /// The component imports an interface that the operator did not grant.
    NotGranted(String),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingInterface { interface, other } => {
                write!(f, "it does not export the interface `{interface}`")?;
                match other {
                    Some(other) => write!(f, ", but `{other}`"),
                    None => Ok(()),
                }
            }
            Self::MissingExport { function, expected } => {
                write!(
                    f,
                    "it does not export `{function}`, which must be `{expected}`"
                )
            }
            Self::ExportDiffers {
                function,
                expected,
                found,
            } => write!(
                f,
                "its export `{function}` must be `{expected}`, but is `{found}`"
            ),
            Self::ImportDiffers {
                function,
                expected,
                found,
            } => write!(
                f,
                "its import `{function}` must be `{expected}`, but is `{found}`"
            ),
            Self::UnknownImport(name) if name.starts_with(PACKAGE) => write!(
                f,
                "it imports `{name}`, which a host of {VERSION} does not have; it may need a later one"
            ),
            Self::UnknownImport(name) => write!(
                f,
                "it imports `{name}`, which this host does not have; no setting can grant it"
            ),
            Self::ImportVersion { name, served } => {
                write!(f, "it imports `{name}`, which this host has only {served}")
            }
            Self::NotGranted(name) => write!(
                f,
                "it imports `{name}`, which is not granted; add \"{}\" to `plugin.imports` to grant it",
                without_version(name)
            ),
        }
    }
}
