//! Creates the client of an agent from the flags.

use std::path::Path;

use edge_cache_client::{CaCertificates, Client, ClientConfig, ClientError, PlaintextToken, Token};

use super::error::CommandError;
use crate::cli::AgentArgs;
use crate::trusted_file;

/// Creates the client that the flags describe.
pub(super) fn client(args: &AgentArgs) -> Result<Client, CommandError> {
    let is_tls = args.addr.is_tls();
    let token = args.token_file.as_deref().map(token).transpose()?;
    let ca = args.ca_file.as_deref().filter(|_| is_tls);
    let config = ClientConfig {
        address: args.addr.clone(),
        token,
        plaintext_token: if args.insecure_http {
            PlaintextToken::Allow
        } else {
            PlaintextToken::Refuse
        },
        ca: ca.map(certificates).transpose()?,
        timeout: args.timeout,
    };
    Client::new(config).map_err(|error| match error {
        ClientError::PlaintextToken { address } => CommandError::PlaintextToken { address },
        ClientError::NoCa { address } => CommandError::NoCa { address },
        error => error.into(),
    })
}

fn token(path: &Path) -> Result<Token, CommandError> {
    let file = trusted_file::read_secret(path).map_err(|source| CommandError::TokenFile {
        path: path.to_path_buf(),
        source,
    })?;
    Token::from_bytes(&file).map_err(|_| CommandError::InvalidToken {
        path: path.to_path_buf(),
    })
}

fn certificates(path: &Path) -> Result<CaCertificates, CommandError> {
    let file = trusted_file::read_public(path).map_err(|source| CommandError::CaFile {
        path: path.to_path_buf(),
        source,
    })?;
    CaCertificates::from_pem(&file).map_err(|_| CommandError::InvalidCa {
        path: path.to_path_buf(),
    })
}
