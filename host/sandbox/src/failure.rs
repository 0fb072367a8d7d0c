//! The failure of a call into a plugin, which names the limit that was exceeded.

use std::time::Duration;

use edge_cache_core::{Limits, text};
use thiserror::Error;
use wasmtime::component::ResourceTableError;
use wasmtime::{Error, GcHeapOutOfMemory, ThrownException, Trap};
use wasmtime_wasi::I32Exit;

use crate::limits::Resource;
use crate::plugin_ctx::PluginCtx;
use crate::wasi::WouldWait;

/// A failed call into a plugin.
///
/// The instance must be dropped, except after [`Failure::Refused`]. The call has no effect on the host's
/// state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The call exceeded a limit.
    #[error("{call} {exceeded}, the limit `{setting}`{}", shown(.lines))]
    Limit {
        /// Called export.
        call: &'static str,
        /// Stable name of the kind of limit.
        kind: &'static str,
        /// Description of the excess, with the limit.
        exceeded: String,
        /// Name of the limit.
        setting: &'static str,
        /// Last lines that the plugin logged in this call, cut and cleaned.
        lines: Vec<String>,
    },
    /// The plugin trapped or exited, or the host trapped one of its calls.
    #[error("{call} trapped: {reason}{}", shown(.lines))]
    Trap {
        /// Called export.
        call: &'static str,
        /// Message of wasmtime, cut and cleaned.
        reason: String,
        /// Last lines that the plugin logged in this call, cut and cleaned.
        lines: Vec<String>,
    },
    /// The plugin returned a value that the contract forbids.
    #[error("{call} broke the contract: {reason}{}", shown(.lines))]
    Contract {
        /// Called export.
        call: &'static str,
        /// Description of the value, in the host's words.
        reason: String,
        /// Last lines that the plugin logged in this call, cut and cleaned.
        lines: Vec<String>,
    },
    /// The plugin refused the entries of `load` or the changes of `apply`.
    #[error("the component refused to load: {reason}{}", shown_beside(.reason, .lines))]
    Refused {
        /// The plugin's words, cut and cleaned.
        reason: String,
        /// Last lines that the plugin logged in this call, cut and cleaned.
        lines: Vec<String>,
    },
}

impl Failure {
    /// Makes a failure of the contract, without log lines.
    #[must_use]
    pub fn contract(call: &'static str, reason: String) -> Self {
        Self::Contract {
            call,
            reason,
            lines: Vec::new(),
        }
    }

    /// Makes a refusal, without log lines.
    #[must_use]
    pub fn refused(reason: String) -> Self {
        Self::Refused {
            reason,
            lines: Vec::new(),
        }
    }

    /// Returns the plugin's words and log lines if this is a refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Refused { reason, lines } => {
                Some(format!("{reason}{}", shown_beside(reason, lines)))
            }
            _ => None,
        }
    }

    pub(crate) fn lines_mut(&mut self) -> &mut Vec<String> {
        match self {
            Self::Limit { lines, .. }
            | Self::Trap { lines, .. }
            | Self::Contract { lines, .. }
            | Self::Refused { lines, .. } => lines,
        }
    }

    /// Returns the name of the failed export, or `instantiation`.
    #[must_use]
    pub fn call(&self) -> &'static str {
        match self {
            Self::Limit { call, .. } | Self::Trap { call, .. } | Self::Contract { call, .. } => {
                call
            }
            Self::Refused { .. } => "load",
        }
    }

    /// Returns the stable name of the kind: the exceeded limit, `trap`, `contract` or `refused`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Limit { kind, .. } => kind,
            Self::Trap { .. } => "trap",
            Self::Contract { .. } => "contract",
            Self::Refused { .. } => "refused",
        }
    }
}

fn shown(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("; it logged: {}", lines.join(" | "))
}

/// Shows the lines that say more than the reason: the host logs what it denies, and plugins pass that on.
fn shown_beside(reason: &str, lines: &[String]) -> String {
    let others: Vec<String> = lines
        .iter()
        .filter(|line| *line != reason)
        .cloned()
        .collect();
    shown(&others)
}

/// Name of the instantiation, used like the name of an export.
pub(crate) const INSTANTIATION: &str = "instantiation";

/// Cause of an access out of bounds that authors do not expect.
const STACK_HINT: &str =
    "a recursion that overflows the stack within the plugin's memory ends like this too";
/// Cause of an access below the first byte of the memory, where linkers put the stack.
const STACK_OVERFLOW: &str = "the stack within the plugin's memory overflowed: its recursion is too deep or its local \
    variables are too large, or the linker must give it more (in Rust `-C link-arg=-zstack-size=BYTES`)";
/// Start of the context that wasmtime adds to an access out of bounds.
const FAULT: &str = "memory fault at wasm address 0x";
/// Lowest address that is a negative one: at most 256 MiB below the first byte.
const NEGATIVE: u64 = 0xf000_0000;

/// Scope of a call, which selects its deadline and data limit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope {
    /// A single entry.
    Entry,
    /// The whole registry.
    Registry,
}

impl Scope {
    /// Returns the deadline and the name of its setting.
    pub(crate) fn deadline(self, limits: &Limits) -> (Duration, &'static str) {
        match self {
            Self::Entry => (limits.call_deadline, "call_deadline"),
            Self::Registry => (limits.load_deadline, "load_deadline"),
        }
    }

    /// Returns the data limit in bytes and the name of its setting.
    pub(crate) fn data_bytes(self, limits: &Limits) -> (usize, &'static str) {
        match self {
            Self::Entry => (limits.call_data_bytes, "call_data_bytes"),
            Self::Registry => (limits.list_data_bytes, "list_data_bytes"),
        }
    }
}

/// Finds the failure that caused an error of wasmtime.
pub(crate) fn explain(
    call: &'static str,
    scope: Scope,
    limits: &Limits,
    error: &Error,
    state: &PluginCtx,
) -> Failure {
    let refused = state.limits.refused;
    let lines = state.take_lines();
    let exceeded = |kind, exceeded, setting| Failure::Limit {
        call,
        kind,
        exceeded,
        setting,
        lines: lines.clone(),
    };
    let trapped = |reason| Failure::Trap {
        call,
        reason,
        lines: lines.clone(),
    };
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            let (deadline, setting) = scope.deadline(limits);
            let text = format!("ran for longer than {} ms", deadline.as_millis());
            return exceeded("deadline", text, setting);
        }
        Some(Trap::StackOverflow) => {
            let text = format!("used up its stack of {} bytes", limits.stack_bytes);
            return exceeded("stack", text, "stack_bytes");
        }
        _ => {}
    }
    let out_of_memory = || {
        let text = format!("ran out of memory at {} bytes", limits.memory_bytes);
        exceeded("memory", text, "memory_bytes")
    };
    let is_object_too_large = matches!(error.downcast_ref(), Some(Trap::AllocationTooLarge));
    if is_object_too_large || error.is::<GcHeapOutOfMemory<()>>() {
        return out_of_memory();
    }
    let is_caught_between = matches!(error.downcast_ref(), Some(Trap::UncaughtException));
    if is_caught_between || error.is::<ThrownException>() {
        return trapped("it threw an exception that it did not catch: an export must catch its own and return an error".to_string());
    }
    if error.is::<WouldWait>() {
        let (deadline, setting) = scope.deadline(limits);
        let text = format!("waits for longer than {} ms", deadline.as_millis());
        return exceeded("deadline", text, setting);
    }
    let reason = reason(error);
    let is_full = || matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    // Wasmtime does not export these error types. Tests check that their texts do not change.
    if reason.contains("too much data is being copied") {
        let (bytes, setting) = scope.data_bytes(limits);
        let text = format!("handed over more than {bytes} bytes");
        return exceeded("data", text, setting);
    }
    if reason.contains("store handle limit exceeded") || is_full() {
        let text = format!("holds more than {} handles", limits.handles);
        return exceeded("handles", text, "handles");
    }
    if reason.starts_with("resource limit exceeded: ") && reason.contains(" count too high ") {
        let max = limits.objects;
        let text = format!("made more than {max} core instances, tables or memories");
        return exceeded("objects", text, "objects");
    }
    if reason.starts_with("requested len ") && reason.contains(" exceeds limit ") {
        let max = limits.random_bytes;
        let text = format!("asked for more than {max} random bytes at once");
        return exceeded("random", text, "random_bytes");
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return trapped(format!("it exited with status {}", exit.0));
    }
    // A plugin may recover from refused memory and fail for another reason. So a refusal is the cause only
    // of a trap of the plugin itself, or of a failed instantiation.
    let refused = refused.filter(|_| error.is::<Trap>() || call == INSTANTIATION);
    match refused {
        Some(Resource::Memory) => out_of_memory(),
        Some(Resource::Table) => {
            let max = limits.table_elements;
            let text = format!("asked for a table of more than {max} elements");
            exceeded("table", text, "table_elements")
        }
        None => trapped(match error.downcast_ref() {
            Some(Trap::MemoryOutOfBounds) => match fault(error) {
                Some(address) if address < NEGATIVE => reason,
                Some(_) => format!("{reason}; {STACK_OVERFLOW}"),
                None => format!("{reason}; {STACK_HINT}"),
            },
            _ => reason,
        }),
    }
}

/// Returns the address of an access out of bounds, where the machine has found it.
fn fault(error: &Error) -> Option<u64> {
    error.chain().find_map(|context| {
        let text = context.to_string();
        let (address, _) = text.strip_prefix(FAULT)?.split_once(' ')?;
        u64::from_str_radix(address, 16).ok()
    })
}

/// Returns the root cause of an error of wasmtime; its context is only a backtrace of the guest.
fn reason(error: &Error) -> String {
    text::clean(&error.root_cause().to_string(), text::ERROR_BYTES_MAX)
}
