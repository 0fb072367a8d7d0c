//! Rules about addresses: each can be reached by those who are told it, and each listener's is one of this machine.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Result, bail};

use crate::settings::AgentSettings;
use crate::settings::names::named;

/// The only listener that is not for TCP.
const GOSSIP: &str = "gossip.listen";

/// Returns the addresses that nobody can reach, each with the reason.
pub(super) fn contradictions(settings: &AgentSettings) -> Vec<String> {
    let told = [
        ("gossip.advertise", settings.gossip_advertise),
        ("wg_endpoint", Some(settings.wg_endpoint)),
    ];
    let told = told
        .into_iter()
        .filter_map(|(key, address)| Some((key, address?.ip())));
    let listened = listeners(settings).into_iter();
    let listened = listened.map(|(key, address)| (key, address.ip()));
    let overlay = settings.overlay_ip.parse().ok();
    let overlay = overlay.map(|ip: IpAddr| ("overlay_ip", ip));
    let of_many = listened.chain(told).chain(overlay).filter_map(|(key, ip)| {
        let (name, kind) = (named(key), kind_of_many(ip)?);
        Some(format!(
            "{name} cannot be {ip}: no single host has a {kind} address"
        ))
    });
    let of_many: Vec<_> = of_many.collect();
    of_many
        .into_iter()
        .chain(loopbacks(settings))
        .chain(same_port(settings))
        .collect()
}

/// Returns the loopback addresses that other hosts are told.
fn loopbacks(settings: &AgentSettings) -> Vec<String> {
    let gossip = settings.gossip_listen.map(|address| address.ip());
    if gossip.is_none_or(|ip| ip.is_loopback()) {
        return Vec::new();
    }
    let http = settings.http.http_advertise.as_ref();
    let told = [
        (
            "gossip.advertise",
            settings
                .gossip_advertise
                .is_some_and(|address| address.ip().is_loopback()),
        ),
        (
            "http.advertise",
            http.is_some_and(|address| address.is_loopback()),
        ),
        ("wg_endpoint", settings.wg_endpoint.ip().is_loopback()),
    ];
    let loopbacks = told.into_iter().filter(|(_, is_loopback)| *is_loopback);
    let described = loopbacks.map(|(key, _)| {
        let (name, listen) = (named(key), named("gossip.listen"));
        format!("{name} cannot be a loopback address beside {listen} beyond loopback: other hosts cannot reach it")
    });
    described.collect()
}

/// Returns warnings about addresses that few can reach.
pub(super) fn warnings(settings: &AgentSettings) -> Vec<String> {
    let is_local = settings
        .gossip_listen
        .is_some_and(|listen| listen.ip().is_loopback());
    let advertised = settings
        .gossip_advertise
        .filter(|address| is_local && !address.ip().is_loopback());
    let warning = advertised.map(|address| {
        format!(
            "{} is {address}, but {} is loopback: other hosts reach this agent only if something on this machine \
             forwards to it",
            named("gossip.advertise"),
            named("gossip.listen")
        )
    });
    warning.into_iter().collect()
}

/// Checks that this machine has the addresses of the listeners.
pub(super) fn check_local(settings: &AgentSettings) -> Result<()> {
    for (key, address) in listeners(settings) {
        let ip = address.ip();
        let bound = UdpSocket::bind((ip, 0));
        if bound.is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable) {
            let name = named(key);
            bail!("{name} cannot be {address}: no interface of this machine has {ip}");
        }
    }
    Ok(())
}

/// Returns the listeners for TCP that want the port of another one.
fn same_port(settings: &AgentSettings) -> Vec<String> {
    let tcp: Vec<_> = listeners(settings)
        .into_iter()
        .filter(|(key, address)| *key != GOSSIP && address.port() != 0)
        .collect();
    let mut found = Vec::new();
    for (at, (key, address)) in tcp.iter().enumerate() {
        let meets = |other: &SocketAddr| {
            let is_any = other.ip().is_unspecified() || address.ip().is_unspecified();
            let is_same_family = other.is_ipv4() == address.is_ipv4();
            other.port() == address.port()
                && (other.ip() == address.ip() || (is_any && is_same_family))
        };
        if let Some((other, _)) = tcp.iter().take(at).find(|(_, other)| meets(other)) {
            let (name, other, port) = (named(key), named(other), address.port());
            found.push(format!(
                "{name} and {other} cannot both be on port {port} of one address"
            ));
        }
    }
    found
}

/// Returns the addresses that the agent listens on, with their keys.
fn listeners(settings: &AgentSettings) -> Vec<(&'static str, SocketAddr)> {
    let all = [
        (GOSSIP, settings.gossip_listen),
        ("http.listen", Some(settings.http_listen)),
        ("health_listen", settings.http.health_listen),
        ("traffic.listen", settings.traffic.traffic_listen),
    ];
    let given = |(key, address): (_, Option<_>)| Some((key, address?));
    all.into_iter().filter_map(given).collect()
}

/// Returns the kind of an address that stands for many hosts.
fn kind_of_many(ip: IpAddr) -> Option<&'static str> {
    let ip = ip.to_canonical();
    if ip.is_multicast() {
        Some("multicast")
    } else if ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("broadcast")
    } else {
        None
    }
}
