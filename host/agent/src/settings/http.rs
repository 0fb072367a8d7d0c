//! The settings of the HTTP API.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

/// The default of `http.connections`.
pub const HTTP_CONNECTIONS_DEFAULT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Authentication, transport and limits of the HTTP API.
#[derive(Debug, Clone, Args)]
pub struct HttpSettings {
    /// Require a token from this file for every request except health checks. Reloaded on SIGHUP
    #[arg(long, env = "EDGE_CACHE_API_TOKEN_FILE", value_name = "FILE")]
    pub api_token_file: Option<PathBuf>,
    /// Without a token file, allow every local process to replace the plugin and to stop the agent
    #[arg(long, env = "EDGE_CACHE_ALLOW_LOCAL_ADMIN", value_parser = BoolishValueParser::new())]
    pub allow_local_admin: bool,
    /// Certificate chain for TLS, PEM, leaf certificate first. Reloaded on SIGHUP
    #[arg(long, env = "EDGE_CACHE_HTTP_TLS_CERT_FILE", value_name = "FILE")]
    pub http_tls_cert_file: Option<PathBuf>,
    /// Private key of the certificate, PEM. Reloaded on SIGHUP
    #[arg(long, env = "EDGE_CACHE_HTTP_TLS_KEY_FILE", value_name = "FILE")]
    pub http_tls_key_file: Option<PathBuf>,
    /// Allow tokens over plain HTTP beyond loopback, for networks that are already encrypted
    #[arg(long, alias = "http-insecure", env = "EDGE_CACHE_INSECURE_HTTP", value_parser = BoolishValueParser::new())]
    pub insecure_http: bool,
    /// Maximum number of concurrent connections, beside those for event streams and waits (64 each)
    #[arg(long, env = "EDGE_CACHE_HTTP_CONNECTIONS", value_name = "NUMBER", default_value_t = HTTP_CONNECTIONS_DEFAULT)]
    pub http_connections: NonZeroUsize,
    /// Additional address (TCP) for health and metrics only, without TLS and tokens, with its own connection limit
    #[arg(long, env = "EDGE_CACHE_HEALTH_LISTEN", value_name = "ADDR")]
    pub health_listen: Option<SocketAddr>,
}
