//! How a component can fail to be of the world, with what would be right.

use std::fmt;

use super::{PACKAGE, VERSION, without_version};

/// One way in which a component is not of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// It does not export this interface.
    MissingInterface {
        /// The interface with its version.
        interface: String,
        /// The name under which it exports another version of it, if it does.
        other: Option<String>,
    },
    /// It does not export this function.
    MissingExport {
        /// The interface with its version, and the function.
        function: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It exports the function with another signature.
    ExportDiffers {
        /// The interface with its version, and the function.
        function: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// It imports the function with another signature.
    ImportDiffers {
        /// The interface with its version, and the function.
        function: String,
        /// What the host has.
        expected: &'static str,
        /// What it asks for.
        found: String,
    },
    /// It imports something that this host does not have.
    UnknownImport(String),
    /// It imports something that this host has in another version only.
    ImportVersion {
        /// What it imports, with the version.
        name: String,
        /// The version that the host has, in words.
        served: &'static str,
    },
    /// It imports something that the host has and the operator did not grant.
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
