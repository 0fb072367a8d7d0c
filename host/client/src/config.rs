//! The configuration of a client: address, token, TLS roots and timeout.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Certificate, Url};
use thiserror::Error;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The configuration of a client.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The address of the agent.
    pub address: Address,
    /// The token that every request carries.
    pub token: Option<Token>,
    /// Permission to send the token over plain HTTP beyond loopback: the network below is encrypted. Default: no.
    pub insecure_http: bool,
    /// The only root certificates that are trusted; needed for HTTPS. Those of the system are not used.
    pub ca: Option<CaCertificates>,
    /// The time within which a response must be complete. Default: 10 s.
    pub timeout: Duration,
}

/// The token of an API user. `Debug` hides it.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

/// Root certificates.
#[derive(Debug, Clone)]
pub struct CaCertificates(pub(crate) Vec<Certificate>);

impl ClientConfig {
    /// The time within which a response must be complete, where nothing else is set.
    pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

    /// Creates the configuration for an agent without tokens and TLS.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            token: None,
            insecure_http: false,
            ca: None,
            timeout: Self::TIMEOUT_DEFAULT,
        }
    }
}

impl Token {
    /// Reads a token from the bytes of a file; blanks around it are ignored.
    ///
    /// Returns none if the text is empty, or has blanks, `=` or unprintable characters.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes.trim_ascii())
            .ok()
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
            // `token new` prints `token=…`: the prefix is no part of the token.
            .filter(|token| !token.contains('='))
            .map(|token| Self(Zeroizing::new(token.to_string())))
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut header = HeaderValue::try_from(text.as_str()).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl CaCertificates {
    /// Reads certificates in PEM. Returns none if there is none, or one is damaged.
    #[must_use]
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let roots = Certificate::from_pem_bundle(pem).ok()?;
        (!roots.is_empty()).then_some(Self(roots))
    }
}

/// The address of an agent's API. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Arc<Url>);

/// The error of a text that is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an address is HOST:PORT, http://HOST:PORT or https://HOST:PORT, for instance 127.0.0.1:7947"
)]
pub struct AddressError;

impl Address {
    /// Returns the address of an agent that serves plain HTTP.
    ///
    /// # Errors
    ///
    /// [`AddressError`] for an IPv6 address with a scope id.
    pub fn plain(at: SocketAddr) -> Result<Self, AddressError> {
        at.to_string().parse()
    }

    /// Returns whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the host: a name or an IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_matches(['[', ']'])
    }

    /// Returns whether requests stay on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let ip = host.parse::<IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = Url::clone(&self.0);
        url.set_path(path);
        url
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let whole = if text.contains("://") {
            text.to_string()
        } else if ends_with_port(text) {
            format!("http://{text}")
        } else {
            return Err(AddressError);
        };
        let url = Url::parse(&whole).map_err(|_| AddressError)?;
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        // A name and a password in the URL would show in the list of processes.
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        (is_http && is_bare)
            .then(|| Self(Arc::new(url)))
            .ok_or(AddressError)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Returns whether a text without a scheme names a port. The default port of HTTP is never an agent's.
fn ends_with_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}
