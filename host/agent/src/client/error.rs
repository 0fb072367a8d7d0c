//! What can go wrong when an agent is asked, and which exit code says so.

use std::io;
use std::path::PathBuf;

use reqwest::StatusCode;
use thiserror::Error;

use super::address::Address;
use crate::trusted_file::FileError;

/// The exit codes of commands that ask an agent.
pub mod exit {
    /// It could not be done.
    pub const FAILED: u8 = 1;
    /// The command line or a setting is wrong.
    pub const USAGE: u8 = 2;
    /// What was asked about is not there.
    pub const NOT_FOUND: u8 = 3;
    /// The agent refused it.
    pub const REFUSED: u8 = 4;
    /// It is done, and labels that were waited for have not followed in time.
    pub const PENDING: u8 = 5;
}

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file of the token can't be used.
    #[error("the token file {} cannot be used", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FileError,
    },
    /// There is no token in it.
    #[error(
        "the token file {} must hold one token alone, what `token new` prints behind `token=`",
        path.display()
    )]
    NotAToken {
        /// The file.
        path: PathBuf,
    },
    /// Everybody on the way could read the token.
    #[error(
        "the token would travel to {address} in the clear: use https:// with --ca-file, or \
         --insecure-http over a network that is encrypted below"
    )]
    TokenInTheClear {
        /// Where it would be sent.
        address: Address,
    },
    /// The component can't be read.
    #[error("the component {} cannot be read", path.display())]
    Component {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file of the roots can't be used.
    #[error("the file of roots {} cannot be used", path.display())]
    RootsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FileError,
    },
    /// There is no certificate in it.
    #[error("the file of roots {} must hold certificates in PEM", path.display())]
    NoRoots {
        /// The file.
        path: PathBuf,
    },
    /// TLS needs somebody to trust.
    #[error(
        "{address} needs --ca-file (EDGE_CACHE_CA_FILE), the PEM roots to trust: those of the system \
         are not used"
    )]
    RootsNeeded {
        /// Who would have to be trusted.
        address: Address,
    },
    /// The client can't be set up.
    #[error("cannot make an HTTP client: {0}")]
    Setup(String),
    /// There was no answer, or not a whole one.
    #[error("{asked} at {address}: {reason}")]
    Unanswered {
        /// The request.
        asked: String,
        /// Who was asked.
        address: Address,
        /// What happened instead.
        reason: String,
    },
    /// The agent did not do it. Nothing has changed.
    #[error("{asked} at {address}: {status}: {detail}")]
    Refused {
        /// The request.
        asked: String,
        /// Who was asked.
        address: Address,
        /// The status of the answer.
        status: StatusCode,
        /// What the agent said about it.
        detail: String,
    },
    /// The answer can't be printed.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl ClientError {
    /// The exit code that says so.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::TokenFile { .. }
            | Self::Component { .. }
            | Self::NotAToken { .. }
            | Self::TokenInTheClear { .. }
            | Self::RootsFile { .. }
            | Self::NoRoots { .. }
            | Self::RootsNeeded { .. } => exit::USAGE,
            Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND => exit::NOT_FOUND,
            Self::Refused { status, .. } if status.is_client_error() => exit::REFUSED,
            Self::Refused { .. } | Self::Setup(_) | Self::Unanswered { .. } | Self::Print(_) => {
                exit::FAILED
            }
        }
    }

    /// Whether the same request may well be answered later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
            _ => false,
        }
    }
}
