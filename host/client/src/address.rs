//! The address of an agent's API: what the URLs of all operations begin with.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use thiserror::Error;

#[cfg(test)]
mod tests;

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

    /// Returns whether requests stay on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }

    /// Returns the URL of an operation.
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
