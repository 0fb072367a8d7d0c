//! The error of loading a plugin.

use std::path::PathBuf;

use edge_cache_core::{Limits, text};
use thiserror::Error;

use crate::contract::Mismatch;

/// Largest number of mismatches in an error: a file may have thousands of imports.
const MISMATCHES_SHOWN: usize = 16;
/// Start of the text of mismatches.
const OTHER_WORLD: &str =
    "the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0";
/// Advice about a number of items.
const LIMIT_OF_WEBASSEMBLY: &str = "WebAssembly itself has this limit: the file must have fewer";
/// Parts of the validator's messages, and the advice to an author. Tests make each message.
const ADVICE: &[(&str, &str)] = &[
    (
        "threads",
        "a plugin has no threads: build it without them, in Rust for wasm32-wasip2, in C without `-pthread`",
    ),
    (
        "memory64",
        "a memory is addressed by 32 bits: build for wasm32, not for wasm64",
    ),
    (
        "legacy_exceptions",
        "these exceptions have their old form: compile with `-mllvm -wasm-use-legacy-eh=false`",
    ),
    (
        "cm-gc",
        "the functions of a component pass their data through a linear memory: build it without the canonical option `gc`",
    ),
    (
        "component model",
        "a plugin is called without async: build its functions without async and for WASI 0.2, in Rust for wasm32-wasip2",
    ),
    ("exceed", LIMIT_OF_WEBASSEMBLY),
    ("size is out of bounds", LIMIT_OF_WEBASSEMBLY),
    (
        "",
        "the file is damaged, or built with a feature that this host does not have: `wasm-tools validate` says more",
    ),
];

/// An error of loading a plugin. No code of the plugin has run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The file could not be read.
    #[error("cannot read the plugin {path}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than the limit `plugin_bytes`.
    #[error("the plugin is larger than {limit} bytes, the limit `plugin_bytes`")]
    TooLarge {
        /// Limit, in bytes.
        limit: usize,
    },
    /// The digest of the file is not the pinned one.
    #[error(
        "the plugin has the SHA-256 {}, not {} as it is pinned to",
        hex::encode(found),
        hex::encode(pinned)
    )]
    OtherDigest {
        /// Expected digest.
        pinned: [u8; 32],
        /// Digest of the file.
        found: [u8; 32],
    },
    /// The file is not WebAssembly.
    #[error(
        "the plugin is not a WebAssembly file: it does not begin with `\\0asm`; give the component that its build made"
    )]
    NotWasm,
    /// The file is a core module, not a component.
    #[error(
        "the plugin is a WebAssembly core module, not a component; build it for a target of components, in Rust \
         wasm32-wasip2, or turn it into one with `wasm-tools component new`"
    )]
    CoreModule,
    /// The file is WebAssembly of a version that the host does not know.
    #[error(
        "the plugin is WebAssembly of an unknown version; a component of version 0x0d is needed: build it with other tools"
    )]
    UnknownVersion,
    /// An instance would take too much of the host's memory.
    #[error(
        "an instance of the plugin takes {footprint} bytes of the host's memory for its types, functions, globals and \
         other items, more than {limit}, the limit `instance_bytes`"
    )]
    InstanceTooLarge {
        /// Counted bytes.
        footprint: u64,
        /// Limit, in bytes.
        limit: usize,
    },
    /// Compiling exceeded a limit.
    #[error("the plugin {exceeded}, the limit `{setting}`")]
    CompileLimit {
        /// Description of the excess, with the limit.
        exceeded: String,
        /// Name of the limit.
        setting: &'static str,
    },
    /// The process that compiles could not be started, or crashed.
    #[error("the compiler failed: {0}")]
    Compiler(String),
    /// The component is not valid, by this text and advice.
    #[error("the plugin is not a valid component: {0}")]
    Invalid(String),
    /// The component does not fit the world.
    #[error("{OTHER_WORLD}: {}", list(.0).join("; "))]
    Mismatch(Vec<Mismatch>),
    /// The host could not set up the sandbox.
    #[error("cannot set up the sandbox: {0}")]
    Sandbox(String),
}

impl PluginError {
    /// Returns the text of the error, for mismatches with a line of its own for each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Mismatch(mismatches) => {
                let mut lines = vec![format!("{OTHER_WORLD}:")];
                lines.extend(list(mismatches));
                lines
            }
            error => vec![text::error_chain(error)],
        }
    }

    /// Wraps a message of wasmtime about the component, with advice.
    pub(crate) fn invalid(message: &str) -> Self {
        let message = text::clean(message, text::ERROR_BYTES_MAX);
        let advice = ADVICE.iter().find(|(part, _)| message.contains(part));
        let advice = advice.map(|(_, advice)| *advice).unwrap_or_default();
        Self::Invalid(format!("{message}; {advice}"))
    }

    pub(crate) fn compile_limit(exceeded: String, setting: &'static str) -> Self {
        Self::CompileLimit { exceeded, setting }
    }

    pub(crate) fn compile_deadline(limits: &Limits) -> Self {
        let milliseconds = limits.compile_deadline.as_millis();
        let exceeded = format!("takes longer than {milliseconds} ms to be compiled");
        Self::compile_limit(exceeded, "compile_deadline")
    }

    /// Wraps an error of wasmtime about the host.
    pub(crate) fn sandbox(error: &wasmtime::Error) -> Self {
        Self::Sandbox(text::clean(&format!("{error:#}"), text::ERROR_BYTES_MAX))
    }
}

fn list(mismatches: &[Mismatch]) -> Vec<String> {
    let mut list = mismatches
        .iter()
        .take(MISMATCHES_SHOWN)
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    let more = mismatches.len().saturating_sub(list.len());
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list
}
