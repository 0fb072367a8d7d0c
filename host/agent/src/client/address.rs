//! Where an agent is reached: what the URLs of all its routes begin with.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// The address of an agent's API. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Arc<Url>);

/// A text that is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an address is HOST:PORT, http://HOST:PORT or https://HOST:PORT, for instance 127.0.0.1:7947"
)]
pub struct AddressError;

impl Address {
    /// Whether nobody on the way can listen in.
    pub(super) fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether what is sent there stays on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }

    /// The URL of a route with these parameters.
    pub(super) fn url(&self, path: &str, query: &[(&str, String)]) -> Url {
        let mut url = Url::clone(&self.0);
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
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
        // A name and a password would be a secret that everybody sees in the list of processes.
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

/// Without one, HTTP's own would be meant, where no agent listens.
fn ends_with_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}
