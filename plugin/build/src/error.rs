//! The error of building a guest. Each text says what to do.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// The error of building a guest. The output file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No compiler on this machine supports the target.
    ///
    /// The builder tries in this order: the active toolchain with the target installed; any other rustc
    /// with the target, or with the source of its standard library; `rustup target add`; Debian's
    /// packages, if `EDGE_CACHE_INSTALL=1` is set. `EDGE_CACHE_NO_INSTALL=1` forbids the last two.
    #[error(
        "no compiler here can build for wasm32-unknown-unknown ({found}): run `rustup target add \
         wasm32-unknown-unknown`, or on Debian as root `EDGE_CACHE_INSTALL=1 cargo plugin`"
    )]
    NoCompiler {
        /// Reasons why each compiler and each way of installing one failed.
        found: String,
    },
    /// A required program could not be started.
    #[error("could not run {program}; it has to be installed and on the PATH")]
    Run {
        /// Name of the program.
        program: String,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// The guest does not compile. Cargo has written its messages to standard error.
    #[error("cargo could not build the guest {} ({status}); its messages are above", manifest.display())]
    Cargo {
        /// Manifest of the guest.
        manifest: PathBuf,
        /// Exit status of cargo.
        status: ExitStatus,
    },
    /// Cargo built no module.
    #[error("cargo made no wasm module of the guest {}; a guest needs a library target", manifest.display())]
    NoModule {
        /// Manifest of the guest.
        manifest: PathBuf,
    },
    /// The module has no custom section with its world.
    #[error(
        "the module {} names no world; a guest calls `wit_bindgen::generate!` and exports what it generates",
        module.display()
    )]
    NoWorld {
        /// Path of the module.
        module: PathBuf,
    },
    /// The module does not fit its world: an export is missing, or an import is not part of the world.
    #[error("the module {} cannot be made a component; its exports and imports must be those of its world", module.display())]
    Encode {
        /// Path of the module.
        module: PathBuf,
        /// Difference from the world.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file or folder could not be used.
    #[error("could not {action} {}", path.display())]
    File {
        /// Attempted action.
        action: &'static str,
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// The output path of the reference plugin is not set.
    #[error(
        "EDGE_CACHE_BUILT_PLUGIN is not set; run cargo inside the workspace, whose .cargo/config.toml sets it"
    )]
    NoOutput,
}
