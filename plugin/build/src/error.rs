//! Why a guest could not be built, in words that say what to do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why there is no new component. After any of these the file at the output path is what it was
/// before.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing on this machine compiles for the target. Tried in this order: the active toolchain
    /// with the target installed; any rustc beside it that has the target, or else the source
    /// of its standard library; `rustup target add`; Debian's packages, where
    /// `EDGE_CACHE_INSTALL=1` allows it. `EDGE_CACHE_NO_INSTALL=1` forbids the last two.
    #[error(
        "no compiler here can build for wasm32-unknown-unknown ({found}): run `rustup target add \
         wasm32-unknown-unknown`, or on Debian as root `EDGE_CACHE_INSTALL=1 cargo plugin`"
    )]
    NoCompiler {
        /// What each compiler lacks and how each way of setting one up failed.
        found: String,
    },
    /// A program that the build needs did not start.
    #[error("could not run {program}; it has to be installed and on the PATH")]
    Run {
        /// What was to run.
        program: String,
        /// Why it did not.
        #[source]
        source: io::Error,
    },
    /// The guest does not compile. Cargo's own words went to stderr.
    #[error("cargo could not build the guest {} ({status}); its messages are above", manifest.display())]
    Cargo {
        /// The guest.
        manifest: PathBuf,
        /// How cargo ended.
        status: ExitStatus,
    },
    /// Cargo succeeded without naming a module.
    #[error("cargo made no wasm module of the guest {}; a guest needs a library target", manifest.display())]
    NoModule {
        /// The guest.
        manifest: PathBuf,
    },
    /// The module does not say which world it is for.
    #[error(
        "the module {} names no world; a guest calls `wit_bindgen::generate!` and exports what it generates",
        module.display()
    )]
    NoWorld {
        /// The module.
        module: PathBuf,
    },
    /// The module and the world in it do not fit together: an export is missing, or an import is
    /// not the world's.
    #[error("the module {} makes no component; its exports and imports must be those of its world", module.display())]
    Encode {
        /// The module.
        module: PathBuf,
        /// What does not fit.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file or folder could not be used.
    #[error("could not {action} {}", path.display())]
    File {
        /// What was to be done with it.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Nobody said where the reference component goes.
    #[error(
        "EDGE_CACHE_BUILT_PLUGIN is not set; run cargo inside the workspace, whose .cargo/config.toml sets it"
    )]
    NoOutput,
}
