//! Creates the client of an agent from the flags.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use edge_cache_client::{CaCertificates, Client, ClientConfig, ClientError, PlaintextToken, Token};

use crate::cli::AgentArgs;
use crate::exit::usage;
use crate::trusted_file;

/// Creates the client that the flags describe.
pub(super) fn client(args: &AgentArgs) -> Result<Client> {
    let is_tls = args.addr.is_tls();
    let token = args.token_file.as_deref().map(token).transpose();
    let ca = args.ca_file.as_deref().filter(|_| is_tls);
    let config = ClientConfig {
        address: args.addr.clone(),
        token: token.map_err(usage)?,
        plaintext_token: if args.insecure_http {
            PlaintextToken::Allow
        } else {
            PlaintextToken::Refuse
        },
        ca: ca.map(certificates).transpose().map_err(usage)?,
        timeout: args.timeout,
    };
    Client::new(config).map_err(|error| match error {
        ClientError::PlaintextToken { address } => usage(anyhow!(
            "the token would be sent to {address} unencrypted: use https:// with --ca-file, or --insecure-http if the \
             network itself is encrypted"
        )),
        ClientError::NoCa { address } => usage(anyhow!(
            "{address} needs --ca-file (EDGE_CACHE_CA_FILE), a PEM file of root certificates: those of the system are \
             not used"
        )),
        error => error.into(),
    })
}

fn token(path: &Path) -> Result<Token> {
    let file = trusted_file::read_secret(path)
        .with_context(|| format!("cannot use the token file {}", path.display()))?;
    Token::from_bytes(&file).map_err(|_| {
        anyhow!(
            "the token file {} must hold one token and nothing else: the text after `token=` in the output of \
             `token new`",
            path.display()
        )
    })
}

fn certificates(path: &Path) -> Result<CaCertificates> {
    let file = trusted_file::read_public(path)
        .with_context(|| format!("cannot use the root certificates {}", path.display()))?;
    CaCertificates::from_pem(&file)
        .map_err(|_| anyhow!("the file {} must hold certificates in PEM", path.display()))
}
