//! How a call into a component fails, named so that an operator knows which limit to look at.

use std::time::Duration;

use thiserror::Error;
use wasmtime::component::ResourceTableError;
use wasmtime::{Error, Trap};
use wasmtime_wasi::I32Exit;

use super::limiter::Refused;
use edge_cache_core::text;

/// The component failed in a call. The instance it happened in must be dropped; what the host remembers
/// is as it was before the call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The call took longer than its deadline.
    #[error("{call} ran for longer than {limit_ms} ms, the limit `{setting}`")]
    Deadline {
        /// The export that was called.
        call: &'static str,
        /// The deadline, in milliseconds.
        limit_ms: u128,
        /// The limit's name.
        setting: &'static str,
    },
    /// The component asked for more memory than it may have, and ended.
    #[error("{call} ran out of memory at {limit} bytes, the limit `memory_bytes`")]
    Memory {
        /// The export that was called.
        call: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The component asked for a larger table than it may have, and ended.
    #[error("{call} asked for a table of more than {limit} elements, the limit `table_elements`")]
    Table {
        /// The export that was called.
        call: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The stack of the component was used up.
    #[error("{call} used up its stack of {limit} bytes, the limit `stack_bytes`")]
    Stack {
        /// The export that was called.
        call: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The component handed the host more data than one call may.
    #[error("{call} handed over more than {limit} bytes, the limit `{setting}`")]
    Data {
        /// The export that was called.
        call: &'static str,
        /// The limit, in bytes.
        limit: usize,
        /// The limit's name.
        setting: &'static str,
    },
    /// The component holds more handles or resources than it may.
    #[error("{call} holds more than {limit} handles, the limit `handles`")]
    Handles {
        /// The export that was called.
        call: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The component is made of more core instances, tables or memories than it may have.
    #[error(
        "{call} made more than {limit} core instances, tables or memories, the limit `objects`"
    )]
    Objects {
        /// The export that was called.
        call: &'static str,
        /// The limit, of each.
        limit: usize,
    },
    /// The component asked for more random bytes at once than it may.
    #[error("{call} asked for more than {limit} random bytes at once, the limit `random_bytes`")]
    Random {
        /// The export that was called.
        call: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The component trapped, exited, or a host call that it made was refused by a trap.
    #[error("{call} trapped: {reason}")]
    Trap {
        /// The export that was called.
        call: &'static str,
        /// What wasmtime says of it, cut and cleaned.
        reason: String,
    },
    /// The component answered something that the contract forbids.
    #[error("{call} broke the contract: {reason}")]
    Contract {
        /// The export that was called.
        call: &'static str,
        /// What it did, in the host's words.
        reason: String,
    },
    /// The component refused the state it was to start with.
    #[error("the component refused to load: {0}")]
    Refused(String),
}

impl Failure {
    /// The export that failed, or `instantiation`.
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

    /// What went wrong, in a word that stays the same: the limit that was met, or `trap`, `contract` or
    /// `refused`.
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

/// What instantiation is called where an export's name stands otherwise.
pub(super) const INSTANTIATION: &str = "instantiation";

/// What a call ran under, for naming its failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallLimits {
    pub(super) call: &'static str,
    pub(super) deadline: Duration,
    pub(super) deadline_setting: &'static str,
    pub(super) data_bytes: usize,
    pub(super) data_setting: &'static str,
    pub(super) stack_bytes: usize,
    pub(super) handles: usize,
    pub(super) objects: usize,
    pub(super) random_bytes: u64,
}

impl CallLimits {
    /// Names the failure behind wasmtime's error.
    pub(super) fn explain(&self, error: &Error, refused: Option<Refused>) -> Failure {
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
        // Wasmtime keeps these error types to itself; tests hold their texts in place.
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
        // A component that is refused memory may cope and end for another reason: only a trap of its own, or
        // a start that fails, is what a refusal leads to.
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

/// The root of wasmtime's error, which is what happened; what is above it is a backtrace of the guest.
fn reason(error: &Error) -> String {
    text::clean(&error.root_cause().to_string(), text::ERROR_BYTES_MAX)
}
