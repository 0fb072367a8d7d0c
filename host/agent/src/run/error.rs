//! Failures of an agent's start and shutdown.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::http::{TlsError, TokensError};
use edge_cache_core::labels::LabelError;
use edge_cache_host::gossip::{GossipError, KeyringError};
use edge_cache_host::sandbox::PluginError;
use edge_cache_host::{StartError, StoreError};

/// A failure of an agent's start or shutdown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// Settings contradict each other.
    #[error("{0}")]
    Usage(String),
    /// A label of other software exceeds a limit.
    #[error("invalid label in `--label`")]
    Label(#[source] LabelError),
    /// The binary has no built-in plugin and the settings name none.
    #[error(
        "this binary has no built-in plugin: set `--plugin FILE`, or run `cargo plugin` and build it again"
    )]
    NoPlugin,
    /// The plugin is refused.
    #[error("cannot load the plugin")]
    Plugin(#[source] PluginError),
    /// The data directory cannot be used.
    #[error("cannot open the data directory")]
    Store(#[source] StoreError),
    /// The gossip key file cannot be used.
    #[error("cannot use the gossip key file {}", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: KeyringError,
    },
    /// Gossip did not start.
    #[error("cannot start gossip")]
    Gossip(#[source] GossipError),
    /// The registry did not start.
    #[error("cannot start the registry")]
    Registry(#[source] StartError),
    /// The token file of the HTTP API cannot be used.
    #[error("cannot use the API token file {}", path.display())]
    Tokens {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: TokensError,
    },
    /// The certificate of the HTTP API or its key cannot be used.
    #[error("cannot set up TLS for HTTP")]
    Tls(#[source] TlsError),
    /// The HTTP address cannot be used.
    #[error("cannot listen for HTTP on {address}")]
    Http {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The agent has stopped, but parts of it did not finish in time and were aborted.
    #[error("aborted after the shutdown timeout of {}: {}", humantime::format_duration(*bound), parts.join(", "))]
    Aborted {
        /// The aborted parts.
        parts: Vec<&'static str>,
        /// The shutdown timeout.
        bound: Duration,
    },
    /// A system call failed.
    #[error("cannot {action}")]
    System {
        /// The attempted action.
        action: &'static str,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}

impl RunError {
    /// Returns whether the settings alone are the cause: other settings would avoid the error.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) | Self::Label(_) => true,
            Self::Gossip(error) => matches!(
                error,
                GossipError::Setting { .. }
                    | GossipError::Seed { .. }
                    | GossipError::NotAdvertisable { .. }
                    | GossipError::Info(_)
            ),
            _ => false,
        }
    }
}

/// Returns a conversion of system errors, for `map_err`.
pub(super) fn system(action: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::System { action, source }
}
