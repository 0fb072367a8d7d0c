//! Advice for the errors of commands that ask an agent.

use anyhow::Error;
use edge_cache_client::{ClientError, NoResponseCause, StatusCode};

/// Describes an error, with what helps against it in the words of the command line.
#[must_use]
pub fn described(error: &Error) -> String {
    match on(error) {
        Some(advice) => format!("{error:#}: {advice}"),
        None => format!("{error:#}"),
    }
}

fn on(error: &Error) -> Option<&'static str> {
    Some(match error.downcast_ref()? {
        ClientError::NoResponse {
            cause: Some(cause), ..
        } => match cause {
            NoResponseCause::Refused => {
                "no agent listens there; start it, or name another by --addr (EDGE_CACHE_ADDR)"
            }
            NoResponseCause::PlainHttp => "the port speaks plain HTTP; use http:// in --addr",
            NoResponseCause::UnknownIssuer => {
                "--ca-file (EDGE_CACHE_CA_FILE) must hold the root that has signed the certificate of the agent"
            }
            NoResponseCause::OtherName => "use a name of the certificate in --addr",
            NoResponseCause::NotValidNow => {
                "renew the certificate of the agent, or set the clocks of both machines"
            }
            _ => return None,
        },
        ClientError::Refused {
            status: StatusCode::UNAUTHORIZED,
            ..
        } => "give a token of the agent by --token-file (EDGE_CACHE_TOKEN_FILE)",
        _ => return None,
    })
}
