//! Errors of the client.

use std::error::Error;
use std::io;

use edge_cache_api::ProblemType;
use reqwest::StatusCode;
use rustls::{CertificateError, InvalidMessage};
use thiserror::Error;

use crate::config::Address;

/// The error of a client or of one of its requests.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The token would be sent over plain HTTP beyond loopback. Nothing was sent.
    #[error("the token would be sent to {address} unencrypted")]
    PlaintextToken {
        /// The address of the agent.
        address: Address,
    },
    /// HTTPS needs root certificates. Nothing was sent.
    #[error("{address} needs root certificates to trust: those of the system are not used")]
    NoCa {
        /// The address of the agent.
        address: Address,
    },
    /// The HTTP client cannot be created.
    #[error("cannot create an HTTP client: {0}")]
    Setup(String),
    /// There was no response, or no complete and valid one. A change may have been made.
    #[error("{request} at {address}: {reason}")]
    NoResponse {
        /// Method and path of the request.
        request: String,
        /// The address of the agent.
        address: Address,
        /// The cause in words.
        reason: String,
        /// The cause, where the client knows what would help.
        cause: Option<NoResponseCause>,
    },
    /// The agent refused the request. Nothing has changed.
    #[error("{request} at {address}: {status}: {detail}")]
    Refused {
        /// Method and path of the request.
        request: String,
        /// The address of the agent.
        address: Address,
        /// The status of the response.
        status: StatusCode,
        /// The type of problem; `None` where this version does not know it, or the response is no problem document.
        problem_type: Option<ProblemType>,
        /// The cause.
        detail: String,
    },
}

/// The cause of a missing response for which there is a remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoResponseCause {
    /// Nothing listens at the address.
    Refused,
    /// The port speaks plain HTTP.
    PlainHttp,
    /// None of the given roots has signed the certificate of the agent.
    UnknownIssuer,
    /// The certificate of the agent is for other names than the one in the address.
    OtherName,
    /// The certificate of the agent is expired, or not valid yet.
    NotValidNow,
}

impl NoResponseCause {
    /// Looks for the cause of an error among its sources.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let sources = std::iter::successors(Some(error), |error| (*error).source());
        sources
            .into_iter()
            .find_map(|error: &(dyn Error + 'static)| {
                let Some(error) = error.downcast_ref::<io::Error>() else {
                    return error.downcast_ref().and_then(Self::of_tls);
                };
                if error.kind() == io::ErrorKind::ConnectionRefused {
                    return Some(Self::Refused);
                }
                // An I/O error hides what it was made of from its sources.
                Self::of(error.get_ref()?)
            })
    }

    fn of_tls(error: &rustls::Error) -> Option<Self> {
        use CertificateError as E;
        Some(match error {
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::PlainHttp,
            rustls::Error::InvalidCertificate(error) => match error {
                E::UnknownIssuer | E::BadSignature => Self::UnknownIssuer,
                E::NotValidForName | E::NotValidForNameContext { .. } => Self::OtherName,
                E::Expired
                | E::ExpiredContext { .. }
                | E::NotValidYet
                | E::NotValidYetContext { .. } => Self::NotValidNow,
                _ => return None,
            },
            _ => return None,
        })
    }
}

impl ClientError {
    /// Returns the status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoResponse { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
            _ => false,
        }
    }
}
