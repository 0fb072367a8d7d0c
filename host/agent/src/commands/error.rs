//! Errors of the commands for a running agent, with their exit codes.

use std::io;
use std::path::PathBuf;

use edge_cache_client::{Address, ClientError};
use thiserror::Error;

use crate::trusted_file::FileError;

#[cfg(test)]
mod tests;

/// Exit codes of the commands for a running agent.
pub mod exit {
    /// There was no valid response, or the agent failed.
    pub const FAILED: u8 = 1;
    /// The command line or a setting is invalid.
    pub const USAGE: u8 = 2;
    /// The node does not exist.
    pub const NOT_FOUND: u8 = 3;
    /// The agent refused the request.
    pub const REFUSED: u8 = 4;
    /// The change is made; its labels have not followed in time.
    pub const PENDING: u8 = 5;
}

/// The error of a command for a running agent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The token file cannot be used. Nothing was sent.
    #[error("cannot use the token file {}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: FileError,
    },
    /// The token file holds no token. Nothing was sent.
    #[error(
        "the token file {} must hold one token and nothing else: the text after `token=` in the output of `token new`",
        path.display()
    )]
    InvalidToken {
        /// The file.
        path: PathBuf,
    },
    /// The token would be sent over plain HTTP beyond loopback. Nothing was sent.
    #[error(
        "the token would be sent to {address} unencrypted: use https:// with --ca-file, or --insecure-http if the \
         network itself is encrypted"
    )]
    PlaintextToken {
        /// The address of the agent.
        address: Address,
    },
    /// The plugin file cannot be read. Nothing was sent.
    #[error("cannot read the plugin {}", path.display())]
    Plugin {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file of root certificates cannot be used. Nothing was sent.
    #[error("cannot use the root certificates {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: FileError,
    },
    /// The file holds no root certificates. Nothing was sent.
    #[error("the file {} must hold certificates in PEM", path.display())]
    InvalidCa {
        /// The file.
        path: PathBuf,
    },
    /// HTTPS needs root certificates. Nothing was sent.
    #[error(
        "{address} needs --ca-file (EDGE_CACHE_CA_FILE), a PEM file of root certificates: those of the system are not \
         used"
    )]
    NoCa {
        /// The address of the agent.
        address: Address,
    },
    /// The request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The result cannot be printed.
    #[error("cannot print the result")]
    Print(#[from] io::Error),
}

impl CommandError {
    /// Returns the exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::TokenFile { .. }
            | Self::InvalidToken { .. }
            | Self::PlaintextToken { .. }
            | Self::Plugin { .. }
            | Self::CaFile { .. }
            | Self::InvalidCa { .. }
            | Self::NoCa { .. } => exit::USAGE,
            Self::Client(error) => match error.status() {
                Some(status) if status.as_u16() == 404 => exit::NOT_FOUND,
                Some(status) if status.is_client_error() => exit::REFUSED,
                _ => exit::FAILED,
            },
            Self::Print(_) => exit::FAILED,
        }
    }
}
