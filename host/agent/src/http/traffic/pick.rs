//! A pick: the key of a request that a proxy asks for, and the answer with the caches of the key.

use std::borrow::Cow;
use std::io::Write;

use axum::body::{Body, Bytes};
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use percent_encoding::percent_decode_str;

use crate::settings::TrafficKey;
use edge_cache_host::{Cache, CacheAddress, NodeId};

#[cfg(test)]
mod tests;

/// The prefix of the paths of picks.
const PREFIX: &str = "/pick";
/// All caches of the key, best first.
const HOSTS: HeaderName = HeaderName::from_static("x-edge-cache-hosts");
/// The best cache of the key.
const FIRST: HeaderName = HeaderName::from_static("x-edge-cache-host");
/// The second cache of the key, for proxies that take one address at a time.
const SECOND: HeaderName = HeaderName::from_static("x-edge-cache-host-2");
/// The nodes of the caches in the same order.
const NODES: HeaderName = HeaderName::from_static("x-edge-cache-nodes");
/// `true` where the fallback was answered.
const FALLBACK: HeaderName = HeaderName::from_static("x-edge-cache-fallback");

/// Room for the values of an answer with three caches at IPv4 addresses; more take a second allocation.
const VALUES_BYTES: usize = 128;

/// A request for the caches of a key, in one of two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick<'a> {
    /// `/pick` and the path and query of the client, as Envoy asks.
    Url(&'a str),
    /// `/pick?…` with a query of the proxy's configuration.
    Query(&'a str),
}

impl<'a> Pick<'a> {
    /// Reads the target of a request; `None` where it is no pick.
    pub(super) fn of(target: &'a str) -> Option<Self> {
        let rest = target.strip_prefix(PREFIX)?;
        if rest.is_empty() {
            return Some(Self::Query(""));
        }
        Some(rest.strip_prefix('?').map_or(Self::Url(rest), Self::Query))
    }

    /// Returns the key; that of no bytes where the request names none.
    pub(super) fn key<'b>(
        self,
        headers: &'b HeaderMap,
        uri: &'b Uri,
        parts: TrafficKey,
    ) -> Cow<'b, [u8]>
    where
        'a: 'b,
    {
        let url: &'b [u8] = match self {
            Self::Url(url) => url.as_bytes(),
            Self::Query(query) => {
                let mut pairs = query
                    .split('&')
                    .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                match pairs.find(|(name, _)| matches!(*name, "header" | "key")) {
                    Some(("header", name)) => single(headers, name).unwrap_or_default(),
                    Some((_, key)) => return percent_decode_str(key).into(),
                    None => &[],
                }
            }
        };
        let path = url.split(|byte| *byte == b'?').next().unwrap_or_default();
        let (url, has_host) = match parts {
            TrafficKey::Path => (path, false),
            TrafficKey::PathAndQuery => (url, false),
            TrafficKey::HostAndPath => (path, true),
            TrafficKey::HostPathAndQuery => (url, true),
        };
        if has_host {
            let mut key = host(headers, uri);
            key.extend_from_slice(url);
            key.into()
        } else {
            url.into()
        }
    }
}

/// Returns the value of a header that is given once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// Returns the host of the client's request in lower case, without a port.
fn host(headers: &HeaderMap, uri: &Uri) -> Vec<u8> {
    let target = uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let host = target.or_else(|| single(headers, HOST.as_str()));
    let host = host.unwrap_or_default();
    let name = host
        .rsplitn(2, |byte| *byte == b':')
        .last()
        .unwrap_or_default();
    let has_port = host.last() != Some(&b']') && name.len() < host.len();
    let name = if has_port { name } else { host };
    name.to_ascii_lowercase()
}

/// Returns the answer with these caches, best first; `None` without any. All values share one buffer.
pub(super) fn answer<'a>(
    caches: impl Iterator<Item = (NodeId, &'a Cache)> + Clone,
) -> Option<Response<Body>> {
    let mut text = Vec::with_capacity(VALUES_BYTES);
    for (_, cache) in caches.clone() {
        text.extend_from_slice(cache.text.as_bytes());
        text.push(b',');
    }
    let nodes = text.len();
    for (node_id, _) in caches {
        // A buffer takes every text.
        let _ = write!(text, "{node_id},");
    }
    let text = Bytes::from(text);
    // The lists are without the comma at their ends.
    let hosts = text.get(..nodes.checked_sub(1)?)?;
    let nodes = text.get(nodes..text.len().checked_sub(1)?)?;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let mut insert = |name, value: &[u8]| {
        headers.insert(
            name,
            HeaderValue::from_maybe_shared(text.slice_ref(value)).ok()?,
        );
        Some(())
    };
    insert(HOSTS, hosts)?;
    let each = hosts.split(|byte| *byte == b',');
    for (name, host) in [FIRST, SECOND].into_iter().zip(each) {
        insert(name, host)?;
    }
    insert(NODES, nodes)?;
    Some(response)
}

/// Returns the answer that names the fallback.
pub(super) fn answer_fallback(fallback: CacheAddress) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    // The text of an address is always a value of a header.
    if let Ok(address) = HeaderValue::try_from(fallback.to_string()) {
        headers.insert(HOSTS, address.clone());
        headers.insert(FIRST, address);
        headers.insert(FALLBACK, HeaderValue::from_static("true"));
    }
    response
}
