//! Addresses of caches: one function judges the label `cache_address` for every reader of it.
//!
//! A label comes from a peer, so an address is not trusted: it may name the metadata service of a cloud, or a host that
//! the peer wants to be flooded. What the rules let through is an IP address with a port, never a name.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

use crate::{NodeId, PeerInfo};

#[cfg(test)]
mod tests;

/// Key of the label that tells peers where a node's cache serves. Neither plugins nor other software may set it.
pub const CACHE_ADDRESS_LABEL: &str = "cache_address";

/// The address of a node's cache: a unicast IP address and a port, printed in one canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheAddress(SocketAddr);

/// The reason why a text is no address of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CacheAddressError {
    /// The text is no IP address with a port.
    #[error(
        "it must be IP:PORT with a port above 0, such as 192.0.2.7:8080 or [2001:db8::7]:8080; names and zones are \
         refused"
    )]
    Syntax,
    /// The IP address is not that of one reachable host.
    #[error("{ip} is {kind}, and no address of a cache")]
    Unusable {
        /// IP address.
        ip: IpAddr,
        /// Kind of the address.
        kind: &'static str,
    },
    /// The IP address means another host at each reader.
    #[error("{0} is a loopback address, which means another machine to each peer")]
    Loopback(IpAddr),
    /// The IP address is outside of the allowed networks.
    #[error("{0} is in none of the networks of the setting `traffic.networks`")]
    Network(IpAddr),
    /// Another node has the same address.
    #[error(
        "node {other} has the address {address} too, and keeps it: it serves keys, or its id is lower"
    )]
    Duplicate {
        /// Address of both.
        address: CacheAddress,
        /// Node that keeps it.
        other: NodeId,
    },
}

impl CacheAddress {
    /// Returns the IP address and the port.
    #[must_use]
    pub fn socket(self) -> SocketAddr {
        self.0
    }

    /// Checks an address that is parsed already.
    ///
    /// # Errors
    ///
    /// [`CacheAddressError::Syntax`] for port 0 and an IPv6 zone, [`CacheAddressError::Unusable`] for an address that is
    /// not that of one host. An IPv4 address inside an IPv6 one counts as IPv4.
    pub fn new(address: SocketAddr) -> Result<Self, CacheAddressError> {
        let has_zone = matches!(address, SocketAddr::V6(v6) if v6.scope_id() != 0);
        if has_zone || address.port() == 0 {
            return Err(CacheAddressError::Syntax);
        }
        let ip = address.ip().to_canonical();
        match unusable(ip) {
            Some(kind) => Err(CacheAddressError::Unusable { ip, kind }),
            None => Ok(Self(SocketAddr::new(ip, address.port()))),
        }
    }
}

impl FromStr for CacheAddress {
    type Err = CacheAddressError;

    fn from_str(text: &str) -> Result<Self, CacheAddressError> {
        if text.contains('%') {
            return Err(CacheAddressError::Syntax);
        }
        let address = text.parse().map_err(|_| CacheAddressError::Syntax)?;
        Self::new(address)
    }
}

impl fmt::Display for CacheAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Returns the kind of an address that is not that of one host which a router can reach.
fn unusable(ip: IpAddr) -> Option<&'static str> {
    let (is_link_local, is_this_network, is_broadcast) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[0] == 0, v4.is_broadcast()),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), false, false),
    };
    [
        (ip.is_unspecified() || is_this_network, "unspecified"),
        (ip.is_multicast() || is_broadcast, "multicast or broadcast"),
        (is_link_local, "link-local"),
    ]
    .into_iter()
    .find_map(|(is_so, kind)| is_so.then_some(kind))
}

/// The loopback addresses that a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopbackRule {
    /// None: peers are on other machines.
    Refuse,
    /// All: every peer is on this machine.
    Accept,
}

/// The rules by which an agent reads the addresses of caches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheAddressRules {
    /// The networks of caches; empty for all.
    pub networks: Vec<IpNet>,
    /// The port of caches of nodes without the label, at their `overlay_ip`; without it, such nodes have no address.
    pub default_port: Option<NonZeroU16>,
    /// The treatment of loopback addresses.
    pub loopback: LoopbackRule,
}

impl Default for CacheAddressRules {
    /// All networks, no default port, and no loopback addresses.
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            default_port: None,
            loopback: LoopbackRule::Refuse,
        }
    }
}

/// The addresses of the caches of all live nodes, by node id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheAddresses {
    addresses: BTreeMap<NodeId, CacheAddress>,
    refused: BTreeMap<NodeId, CacheAddressError>,
}

impl CacheAddressRules {
    /// Reads the addresses of nodes. Of two nodes with one address, the one that serves keys keeps it, then the one with
    /// the lower id.
    pub fn read<'a>(
        &self,
        infos: impl IntoIterator<Item = &'a PeerInfo>,
        serves: impl Fn(NodeId) -> bool,
    ) -> CacheAddresses {
        let mut read = CacheAddresses::default();
        let mut sorted: Vec<_> = infos.into_iter().collect();
        sorted.sort_by_key(|info| (!serves(info.node_id), info.node_id));
        let mut owners = BTreeMap::new();
        for info in sorted {
            let judged = self.judge(info).and_then(|address| {
                let Some(address) = address else {
                    return Ok(None);
                };
                match owners.entry(address) {
                    Entry::Vacant(free) => {
                        free.insert(info.node_id);
                        Ok(Some(address))
                    }
                    Entry::Occupied(taken) => Err(CacheAddressError::Duplicate {
                        address,
                        other: *taken.get(),
                    }),
                }
            });
            match judged {
                Ok(Some(address)) => drop(read.addresses.insert(info.node_id, address)),
                Ok(None) => {}
                Err(error) => drop(read.refused.insert(info.node_id, error)),
            }
        }
        read
    }

    /// Reads the address of one node: that of its label, or the default.
    fn judge(&self, info: &PeerInfo) -> Result<Option<CacheAddress>, CacheAddressError> {
        let address = match info.labels.get(CACHE_ADDRESS_LABEL) {
            Some(label) => label.parse()?,
            None => match self.default_of(info) {
                Some(default) => CacheAddress::new(default)?,
                None => return Ok(None),
            },
        };
        self.check(address)?;
        Ok(Some(address))
    }

    fn default_of(&self, info: &PeerInfo) -> Option<SocketAddr> {
        let ip = info.overlay_ip.parse().ok()?;
        Some(SocketAddr::new(ip, self.default_port?.get()))
    }

    /// Checks an address against the networks and the rule for loopback.
    ///
    /// # Errors
    ///
    /// [`CacheAddressError::Loopback`] or [`CacheAddressError::Network`].
    pub fn check(&self, address: CacheAddress) -> Result<(), CacheAddressError> {
        let ip = address.0.ip();
        if ip.is_loopback() && self.loopback == LoopbackRule::Refuse {
            return Err(CacheAddressError::Loopback(ip));
        }
        let is_allowed =
            self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&ip));
        if is_allowed {
            Ok(())
        } else {
            Err(CacheAddressError::Network(ip))
        }
    }
}

impl CacheAddresses {
    /// Returns the address of a node's cache.
    #[must_use]
    pub fn get(&self, node_id: NodeId) -> Option<CacheAddress> {
        self.addresses.get(&node_id).copied()
    }

    /// Returns the reason why a node's address counts as none.
    #[must_use]
    pub fn refusal(&self, node_id: NodeId) -> Option<&CacheAddressError> {
        self.refused.get(&node_id)
    }

    /// Iterates over the refused addresses in ascending order of node id.
    pub fn refused(&self) -> impl ExactSizeIterator<Item = (NodeId, &CacheAddressError)> {
        self.refused
            .iter()
            .map(|(node_id, error)| (*node_id, error))
    }

    /// Iterates over the addresses in ascending order of node id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (NodeId, CacheAddress)> {
        self.addresses
            .iter()
            .map(|(node_id, address)| (*node_id, *address))
    }
}
