//! The failure of a call into a plugin, which names the limit that was exceeded.

use std::time::Duration;

use edge_cache_core::text;
use thiserror::Error;
use wasmtime::component::ResourceTableError;
use wasmtime::{Error, Trap};
use wasmtime_wasi::I32Exit;

use crate::limiter::Refused;

/// A failed call into a plugin.
///
/// The instance must be dropped, except after [`Failure::Refused`]. The call has no effect on the host's
/// state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The call took longer than its deadline.
    #[error("{call} ran for longer than {limit_ms} ms, the limit `{setting}`")]
    Deadline {
        /// Called export.
        call: &'static str,
        /// Deadline, in milliseconds.
        limit_ms: u128,
        /// Name of the limit.
        setting: &'static str,
    },
    /// The instance requested more memory than the limit, and ended.
    #[error("{call} ran out of memory at {limit} bytes, the limit `memory_bytes`")]
    Memory {
        /// Called export.
        call: &'static str,
        /// Limit, in bytes.
        limit: usize,
    },
    /// The instance requested a larger table than the limit, and ended.
    #[error("{call} asked for a table of more than {limit} elements, the limit `table_elements`")]
    Table {
        /// Called export.
        call: &'static str,
        /// Limit.
        limit: usize,
    },
    /// The call used up the stack.
    #[error("{call} used up its stack of {limit} bytes, the limit `stack_bytes`")]
    Stack {
        /// Called export.
        call: &'static str,
        /// Limit, in bytes.
        limit: usize,
    },
    /// The plugin passed more data to the host than one call may.
    #[error("{call} handed over more than {limit} bytes, the limit `{setting}`")]
    Data {
        /// Called export.
        call: &'static str,
        /// Limit, in bytes.
        limit: usize,
        /// Name of the limit.
        setting: &'static str,
    },
    /// The instance holds more handles or resources than the limit.
    #[error("{call} holds more than {limit} handles, the limit `handles`")]
    Handles {
        /// Called export.
        call: &'static str,
        /// Limit.
        limit: usize,
    },
    /// The component consists of more core instances, tables or memories than the limit.
    #[error(
        "{call} made more than {limit} core instances, tables or memories, the limit `objects`"
    )]
    Objects {
        /// Called export.
        call: &'static str,
        /// Limit of each kind.
        limit: usize,
    },
    /// The plugin requested more random bytes at once than the limit.
    #[error("{call} asked for more than {limit} random bytes at once, the limit `random_bytes`")]
    Random {
        /// Called export.
        call: &'static str,
        /// Limit, in bytes.
        limit: u64,
    },
    /// The plugin trapped or exited, or the host trapped one of its calls.
    #[error("{call} trapped: {reason}")]
    Trap {
        /// Called export.
        call: &'static str,
        /// Message of wasmtime, cut and cleaned.
        reason: String,
    },
    /// The plugin returned a value that the contract forbids.
    #[error("{call} broke the contract: {reason}")]
    Contract {
        /// Called export.
        call: &'static str,
        /// Description of the value, in the host's words.
        reason: String,
    },
    /// The plugin refused the entries of `load` or the changes of `apply`.
    #[error("the component refused to load: {0}")]
    Refused(String),
}

impl Failure {
    /// Returns the name of the failed export, or `instantiation`.
    #[must_use]
    pub fn call(&self) -> &'static str {
        match self {
            Self::Deadline { call, .. }
            | Self::Memory { call, .. }
            | Self::Table { call, .. }
            | Self::Stack { call, .. }
            | Self::Data { call, .. }
            | Self::Handles { call, .. }
            | Self::Objects { call, .. }
            | Self::Random { call, .. }
            | Self::Trap { call, .. }
            | Self::Contract { call, .. } => call,
            Self::Refused(_) => "load",
        }
    }

    /// Returns the stable name of the kind: the exceeded limit, `trap`, `contract` or `refused`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Deadline { .. } => "deadline",
            Self::Memory { .. } => "memory",
            Self::Table { .. } => "table",
            Self::Stack { .. } => "stack",
            Self::Data { .. } => "data",
            Self::Handles { .. } => "handles",
            Self::Objects { .. } => "objects",
            Self::Random { .. } => "random",
            Self::Trap { .. } => "trap",
            Self::Contract { .. } => "contract",
            Self::Refused(_) => "refused",
        }
    }
}

/// Name of the instantiation, used like the name of an export.
pub(crate) const INSTANTIATION: &str = "instantiation";

/// Limits of a call, needed to name its failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallLimits {
    pub(crate) call: &'static str,
    pub(crate) deadline: Duration,
    pub(crate) deadline_setting: &'static str,
    pub(crate) data_bytes: usize,
    pub(crate) data_setting: &'static str,
    pub(crate) stack_bytes: usize,
    pub(crate) handles: usize,
    pub(crate) objects: usize,
    pub(crate) random_bytes: u64,
}

impl CallLimits {
    /// Finds the failure that caused an error of wasmtime.
    pub(crate) fn explain(&self, error: &Error, refused: Option<Refused>) -> Failure {
        let call = self.call;
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                return Failure::Deadline {
                    call,
                    limit_ms: self.deadline.as_millis(),
                    setting: self.deadline_setting,
                };
            }
            Some(Trap::StackOverflow) => {
                return Failure::Stack {
                    call,
                    limit: self.stack_bytes,
                };
            }
            _ => {}
        }
        let reason = reason(error);
        // Wasmtime does not export these error types. Tests check that their texts do not change.
        if reason.contains("too much data is being copied") {
            return Failure::Data {
                call,
                limit: self.data_bytes,
                setting: self.data_setting,
            };
        }
        if reason.contains("store handle limit exceeded")
            || matches!(error.downcast_ref(), Some(ResourceTableError::Full))
        {
            return Failure::Handles {
                call,
                limit: self.handles,
            };
        }
        if reason.starts_with("resource limit exceeded: ") && reason.contains(" count too high ") {
            return Failure::Objects {
                call,
                limit: self.objects,
            };
        }
        if reason.starts_with("requested len ") && reason.contains(" exceeds limit ") {
            return Failure::Random {
                call,
                limit: self.random_bytes,
            };
        }
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return Failure::Trap {
                call,
                reason: format!("it exited with status {}", exit.0),
            };
        }
        // A plugin may recover from refused memory and fail for another reason. So a refusal is the cause only
        // of a trap of the plugin itself, or of a failed instantiation.
        if error.is::<Trap>() || call == INSTANTIATION {
            match refused {
                Some(Refused::Memory { limit }) => return Failure::Memory { call, limit },
                Some(Refused::Table { limit }) => return Failure::Table { call, limit },
                None => {}
            }
        }
        Failure::Trap { call, reason }
    }
}

/// Returns the root cause of an error of wasmtime; its context is only a backtrace of the guest.
fn reason(error: &Error) -> String {
    text::clean(&error.root_cause().to_string(), text::ERROR_BYTES_MAX)
}
