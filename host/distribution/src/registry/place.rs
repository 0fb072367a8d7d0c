//! Places at which repositories are asked.

use std::net::IpAddr;

use edge_cache_core::text;
use reqwest::Url;

use super::credentials::Account;

/// The longest host in an error, in bytes: that of a domain name.
const HOST_BYTES_MAX: usize = 255;

/// A repository at the host that is asked for it.
pub(super) struct Place {
    /// The host that is asked, for errors.
    pub(super) registry: String,
    /// The repository at this host.
    pub(super) repository: String,
    /// The URL that paths are appended to.
    pub(super) base: Url,
    pub(super) account: Option<Account>,
    pub(super) access: Access,
}

/// Access that requests need to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Pull,
    Push,
}

impl Place {
    /// Returns whether a URL of a redirect, an upload or a token service may be asked: over TLS, or on loopback from a
    /// registry that is asked over plain HTTP itself.
    pub(super) fn allows(&self, url: &Url) -> bool {
        let is_plain_here = self.base.scheme() == "http" && url.scheme() == "http";
        let is_safe = url.scheme() == "https" || is_plain_here && is_loopback(url);
        is_safe && url.has_host() && url.username().is_empty() && url.password().is_none()
    }
}

/// Returns whether a URL's host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Returns scheme, host and port of a URL, for errors.
pub(super) fn shown(url: &Url) -> String {
    let host = text::clean(url.host_str().unwrap_or_default(), HOST_BYTES_MAX);
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}
