//! The roles of callers.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The role of a token; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads everything but the plugin's log.
    Read,
    /// Changes registrations and counters.
    Write,
    /// Replaces the plugin, reads its log, and makes the agent leave.
    Admin,
}

/// An error: a word that is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a role is `read`, `write` or `admin`")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "admin" => Ok(Self::Admin),
            _ => Err(RoleError),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}
