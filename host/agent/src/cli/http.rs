//! The part of the command line about who may use the HTTP API, and how.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};

use crate::http::{CONNECTIONS_DEFAULT, Role};

/// What there is to do about tokens without an agent.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Print a new token, `token=` for its bearer and `line=` for the token file of agents
    New {
        /// What the token is called in the log
        #[arg(long)]
        name: String,
        /// What it lets its bearer do: read, write or admin; each includes those before it
        #[arg(long)]
        role: Role,
    },
}

/// Who may use the HTTP API, and how.
#[derive(Debug, Clone, Args)]
pub struct HttpArgs {
    /// Ask for a token of this file on every request but those for health. Read again on SIGHUP
    #[arg(long, env = "EDGE_CACHE_API_TOKEN_FILE", value_name = "FILE")]
    pub api_token_file: Option<PathBuf>,
    /// Without a token file, let everybody on this machine replace the component and end the agent
    #[arg(long, env = "EDGE_CACHE_ALLOW_LOCAL_ADMIN", value_parser = BoolishValueParser::new())]
    pub allow_local_admin: bool,
    /// The certificates to speak TLS with, PEM, the agent's own first. Read again on SIGHUP
    #[arg(long, env = "EDGE_CACHE_HTTP_TLS_CERT_FILE", value_name = "FILE")]
    pub http_tls_cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM. Read again on SIGHUP
    #[arg(long, env = "EDGE_CACHE_HTTP_TLS_KEY_FILE", value_name = "FILE")]
    pub http_tls_key_file: Option<PathBuf>,
    /// Let tokens travel in the clear beyond loopback, over a network that is encrypted below
    #[arg(long, alias = "http-insecure", env = "EDGE_CACHE_INSECURE_HTTP", value_parser = BoolishValueParser::new())]
    pub insecure_http: bool,
    /// How many connections are served at a time; beyond, the one idle for longest makes room
    #[arg(long, env = "EDGE_CACHE_HTTP_CONNECTIONS", value_name = "NUMBER", default_value_t = default_connections())]
    pub http_connections: NonZeroUsize,
    /// A further address (TCP) that serves health and metrics alone, without TLS and tokens, however crowded the API is
    #[arg(long, env = "EDGE_CACHE_HEALTH_LISTEN", value_name = "ADDR")]
    pub health_listen: Option<SocketAddr>,
}

fn default_connections() -> NonZeroUsize {
    NonZeroUsize::new(CONNECTIONS_DEFAULT).unwrap_or(NonZeroUsize::MIN)
}
