//! Differences between a component and the world.

use thiserror::Error;

use super::names::{PACKAGE, VERSION, without_version};

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
    #[error("its {direction} `{function}` must be `{expected}`, but is `{found}`")]
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
    #[error("it imports `{name}`, which this host has only {served}")]
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

/// Says why the host does not have an import, and what to do.
fn unknown(name: &str) -> String {
    let bare = without_version(name);
    let version = name.strip_prefix(bare).unwrap_or_default();
    if bare.starts_with(PACKAGE) {
        format!("a host of {VERSION} does not have; it may need a later one")
    } else if bare.starts_with("wasi:") && version.starts_with("@0.3") {
        "is of WASI 0.3, and this host has WASI 0.2: build for WASI 0.2 and without async, in Rust with the target \
         wasm32-wasip2"
            .to_string()
    } else if bare.starts_with("wasi:") {
        "this host does not have, and no setting can grant it: build without it".to_string()
    } else {
        "this host does not have, and no setting can grant it: `plugin inspect` shows the imports that are granted"
            .to_string()
    }
}
