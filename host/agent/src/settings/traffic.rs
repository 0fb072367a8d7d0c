//! Settings of the node's cache, and of the listener that tells proxies where to send requests.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use ipnet::IpNet;
use reqwest::Url;

use super::values::{count, parse_address, time};
use edge_cache_core::check_geo;
use edge_cache_host::routing::REPLICAS_MAX;
use edge_cache_host::{CacheAddress, CacheAddressRules, LoopbackRule};

/// The longest hold of a traffic table: longer, a cluster that has really lost its members is misrouted for an hour.
const HOLD_MAX: Duration = Duration::from_secs(60 * 60);

/// The parts of a request that make its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrafficKey {
    /// The path
    Path,
    /// The path and the query
    PathAndQuery,
    /// The host in lower case without its port, and the path
    HostAndPath,
    /// The host in lower case without its port, the path and the query
    HostPathAndQuery,
}

/// The location that lookups of the traffic listener come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrafficGeo {
    /// None: all nodes are equally near.
    None,
    /// The geo of the own node, while the node is eligible and has one.
    Own,
    /// The given geo.
    Geo(String),
}

/// A way to find out whether the cache works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheCheck {
    /// The cache accepts a connection at its address.
    Tcp,
    /// The cache answers this URL with 2xx.
    Http(Url),
}

impl FromStr for CacheCheck {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "tcp" {
            return Ok(Self::Tcp);
        }
        let url = text
            .parse::<Url>()
            .ok()
            .filter(|url| url.scheme() == "http");
        url.map(Self::Http).ok_or_else(|| {
            "a check is `tcp`, or an http URL that the cache itself answers, for example http://127.0.0.1:8080/health"
                .to_string()
        })
    }
}

/// The settings of the node's cache and of the traffic listener.
#[derive(Debug, Clone, Args)]
pub struct TrafficSettings {
    /// Address at which this node's cache serves, told to peers; IPv6 in brackets
    #[arg(long, env = "EDGE_CACHE_CACHE_ADDRESS", value_name = "IP:PORT", value_parser = parse_cache_address)]
    pub cache_address: Option<CacheAddress>,
    /// Check of this node's cache, every 2 s: `tcp`, or an http URL that the cache itself answers with 2xx. While it fails,
    /// the labels are withdrawn
    #[arg(long, env = "EDGE_CACHE_CACHE_CHECK", value_name = "CHECK")]
    pub cache_check: Option<CacheCheck>,
    /// Port of the caches of nodes that publish no address, at their overlay address; the same on all agents
    #[arg(long, env = "EDGE_CACHE_CACHE_DEFAULT_PORT", value_name = "PORT")]
    pub cache_default_port: Option<NonZeroU16>,
    /// Additional address (TCP) at which proxies ask where a request goes; any `Host`, no tokens
    #[arg(long, env = "EDGE_CACHE_TRAFFIC_LISTEN", value_name = "ADDR", value_parser = parse_address)]
    pub traffic_listen: Option<SocketAddr>,
    /// A network whose hosts may ask the traffic listener, required beyond loopback; repeatable
    #[arg(long, env = "EDGE_CACHE_TRAFFIC_ALLOW", value_name = "NETWORK", value_delimiter = ',', value_parser = parse_network, action = ArgAction::Append)]
    pub traffic_allow: Vec<IpNet>,
    /// A network that addresses of caches must be in; repeatable, without it all networks
    #[arg(long, env = "EDGE_CACHE_TRAFFIC_NETWORKS", value_name = "NETWORK", value_delimiter = ',', value_parser = parse_network, action = ArgAction::Append)]
    pub traffic_networks: Vec<IpNet>,
    /// Parts of a request that make its key; the same on all agents
    #[arg(
        long,
        env = "EDGE_CACHE_TRAFFIC_KEY",
        value_name = "PARTS",
        default_value = "path"
    )]
    pub traffic_key: TrafficKey,
    /// Location that requests come from: `none`, `own` for that of this node, or a geo
    #[arg(long, env = "EDGE_CACHE_TRAFFIC_GEO", value_name = "GEO", default_value = "none", value_parser = parse_geo)]
    pub traffic_geo: TrafficGeo,
    /// Number of caches in an answer
    #[arg(long, env = "EDGE_CACHE_TRAFFIC_REPLICAS", value_name = "COUNT", default_value = "3", value_parser = count(1..=REPLICAS_MAX))]
    pub traffic_replicas: usize,
    /// Address that is answered while no cache is eligible, such as that of the origin
    #[arg(long, env = "EDGE_CACHE_TRAFFIC_FALLBACK", value_name = "IP:PORT", value_parser = parse_cache_address)]
    pub traffic_fallback: Option<CacheAddress>,
    /// Time for which the last table is held when more than half of the members fail at once; 0s disables it
    #[arg(long, env = "EDGE_CACHE_TRAFFIC_HOLD", value_name = "TIME", default_value = "5m", value_parser = time(Duration::ZERO..=HOLD_MAX))]
    pub traffic_hold: Duration,
}

impl TrafficSettings {
    /// Returns the settings that all agents must share, as text for the policy that they compare; nothing for defaults.
    #[must_use]
    pub fn policy_suffix(&self) -> String {
        let mut suffix = String::new();
        let key = self.traffic_key.to_possible_value();
        if let Some(key) = key.filter(|_| self.traffic_key != TrafficKey::Path) {
            suffix = format!("+key={}", key.get_name());
        }
        if let Some(port) = self.cache_default_port {
            suffix += &format!("+port={port}");
        }
        suffix
    }

    /// Returns the rules for addresses of caches. Peers of an agent that gossips on loopback are on this machine.
    #[must_use]
    pub fn address_rules(&self, gossip: Option<IpAddr>) -> CacheAddressRules {
        let is_elsewhere = gossip.is_some_and(|ip| !ip.is_loopback());
        CacheAddressRules {
            networks: self.traffic_networks.clone(),
            default_port: self.cache_default_port,
            loopback: if is_elsewhere {
                LoopbackRule::Refuse
            } else {
                LoopbackRule::Accept
            },
        }
    }
}

fn parse_cache_address(text: &str) -> Result<CacheAddress, String> {
    text.parse::<CacheAddress>()
        .map_err(|error| error.to_string())
}

/// Parses a network, or an address as the network of one host.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let host = || text.parse::<IpAddr>().map(IpNet::from).ok();
    let network = text.parse::<IpNet>().ok().or_else(host);
    network.map(|network| network.trunc()).ok_or_else(|| {
        "a network is IP/BITS or IP, for example 10.0.0.0/8 or 2001:db8::/32".to_string()
    })
}

fn parse_geo(text: &str) -> Result<TrafficGeo, String> {
    match text {
        "none" => Ok(TrafficGeo::None),
        "own" => Ok(TrafficGeo::Own),
        geo => check_geo(geo).map(|()| TrafficGeo::Geo(geo.to_string())),
    }
}
