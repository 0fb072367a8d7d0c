//! The configuration of a registry client.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::credentials::Credentials;
use crate::reference::{is_component, is_registry};

#[cfg(test)]
mod tests;

/// The largest number of tries of a request.
pub(super) const TRIES_MAX: u32 = 4;
/// The largest number of redirects of a request.
pub(super) const REDIRECTS_MAX: u32 = 5;
/// Time in which a connection must be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two reads of a response, and before its head.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Time of a whole pull or push, with all its requests and retries.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(600);
/// Wait before the second try of a request; it doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(500);

/// The configuration of a registry client.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// User names and passwords. Default: none.
    pub credentials: Credentials,
    /// The only root certificates that are trusted, in PEM. Default: those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// Registries that are asked instead of others.
    pub mirrors: Vec<Mirror>,
    /// Asks registries on loopback over plain HTTP. Any other one is always asked over TLS.
    pub plain_http: bool,
    /// Time in which a connection must be made.
    pub connect_timeout: Duration,
    /// Time between two reads of a response, and before its head.
    pub read_timeout: Duration,
    /// Time of a whole pull or push.
    pub timeout: Duration,
    /// Wait before the second try of a request.
    pub backoff: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            ca_pem: None,
            mirrors: Vec::new(),
            plain_http: false,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            timeout: WHOLE_TIMEOUT,
            backoff: BACKOFF,
        }
    }
}

/// An invalid configuration.
#[derive(Debug, Error)]
pub enum RegistryConfigError {
    /// The PEM text holds no certificate, or a damaged one.
    #[error(
        "the CA file must hold certificates in PEM (`-----BEGIN CERTIFICATE-----`), each undamaged"
    )]
    Ca,
    /// A registry has two mirrors.
    #[error("the registry `{0}` has two mirrors: name one")]
    MirroredTwice(String),
}

/// A registry that is asked instead of another one, written `REGISTRY=HOST[:PORT][/PREFIX]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry that references name.
    registry: String,
    /// The registry that is asked.
    host: String,
    /// A path before the repository, ending in a slash if there is one.
    prefix: String,
}

/// A text that is no mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a mirror is REGISTRY=HOST[:PORT][/PREFIX], without `https://`")]
pub struct InvalidMirror;

impl FromStr for Mirror {
    type Err = InvalidMirror;

    fn from_str(text: &str) -> Result<Self, InvalidMirror> {
        let (registry, mirror) = text.split_once('=').ok_or(InvalidMirror)?;
        let (host, prefix) = match mirror.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix.strip_suffix('/').unwrap_or(prefix))),
            None => (mirror, None),
        };
        let is_path = |path: &str| path.split('/').all(is_component);
        if !is_registry(registry) || !is_registry(host) || !prefix.is_none_or(is_path) {
            return Err(InvalidMirror);
        }
        Ok(Self {
            registry: registry.to_string(),
            host: host.to_string(),
            prefix: prefix.map_or_else(String::new, |prefix| format!("{prefix}/")),
        })
    }
}

/// The place at which each mirrored registry is asked: host and prefix.
pub(super) type Mirrors = BTreeMap<String, (String, String)>;

pub(super) fn by_registry(mirrors: &[Mirror]) -> Result<Mirrors, RegistryConfigError> {
    let mut places = Mirrors::new();
    for mirror in mirrors {
        let place = (mirror.host.clone(), mirror.prefix.clone());
        if places.insert(mirror.registry.clone(), place).is_some() {
            return Err(RegistryConfigError::MirroredTwice(mirror.registry.clone()));
        }
    }
    Ok(places)
}
