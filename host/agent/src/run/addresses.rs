//! Rules about addresses: each can be reached by those who are told it, and each listener's is one of this machine.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Result, bail};

use crate::settings::AgentSettings;

/// Checks that the addresses can be reached.
pub(super) fn check(settings: &AgentSettings) -> Result<(), String> {
    let told = [
        ("--gossip-advertise", settings.gossip_advertise),
        ("--wg-endpoint", Some(settings.wg_endpoint)),
    ];
    let told = told
        .into_iter()
        .filter_map(|(flag, address)| Some((flag, address?.ip())));
    let listened = listeners(settings).into_iter();
    let listened = listened.map(|(flag, address)| (flag, address.ip()));
    let overlay = settings.overlay_ip.parse().ok();
    let overlay = overlay.map(|ip: IpAddr| ("--overlay-ip", ip));
    for (flag, ip) in listened.chain(told).chain(overlay) {
        if let Some(kind) = kind_of_many(ip) {
            return Err(format!(
                "`{flag}` cannot be {ip}: no single host has a {kind} address"
            ));
        }
    }
    let gossip = settings.gossip_listen.map(|address| address.ip());
    if gossip.is_none_or(|ip| ip.is_loopback()) {
        return same_port(settings);
    }
    let http = settings.http.http_advertise.as_ref();
    let loopbacks = [
        (
            "--gossip-advertise",
            settings
                .gossip_advertise
                .is_some_and(|address| address.ip().is_loopback()),
        ),
        (
            "--http-advertise",
            http.is_some_and(|address| address.is_loopback()),
        ),
        ("--wg-endpoint", settings.wg_endpoint.ip().is_loopback()),
    ];
    if let Some((flag, _)) = loopbacks.into_iter().find(|(_, is_loopback)| *is_loopback) {
        return Err(format!(
            "`{flag}` cannot be a loopback address beside `--gossip-listen` beyond loopback: other hosts cannot reach it"
        ));
    }
    same_port(settings)
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
            "`--gossip-advertise` is {address}, but `--gossip-listen` is loopback: other hosts reach this agent only \
             if something on this machine forwards to it"
        )
    });
    warning.into_iter().collect()
}

/// Checks that this machine has the addresses of the listeners.
pub(super) fn check_local(settings: &AgentSettings) -> Result<()> {
    for (flag, address) in listeners(settings) {
        let ip = address.ip();
        let bound = UdpSocket::bind((ip, 0));
        if bound.is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable) {
            bail!("`{flag}` cannot be {address}: no interface of this machine has {ip}");
        }
    }
    Ok(())
}

/// Checks that no two listeners for TCP want the same port.
fn same_port(settings: &AgentSettings) -> Result<(), String> {
    let tcp: Vec<_> = listeners(settings)
        .into_iter()
        .filter(|(flag, address)| *flag != "--gossip-listen" && address.port() != 0)
        .collect();
    for (at, (flag, address)) in tcp.iter().enumerate() {
        let meets = |other: &SocketAddr| {
            let is_any = other.ip().is_unspecified() || address.ip().is_unspecified();
            let is_same_family = other.is_ipv4() == address.is_ipv4();
            other.port() == address.port()
                && (other.ip() == address.ip() || (is_any && is_same_family))
        };
        if let Some((other, _)) = tcp.iter().take(at).find(|(_, other)| meets(other)) {
            return Err(format!(
                "`{flag}` and `{other}` cannot both be on port {} of one address",
                address.port()
            ));
        }
    }
    Ok(())
}

/// Returns the addresses that the agent listens on, with their flags.
fn listeners(settings: &AgentSettings) -> Vec<(&'static str, SocketAddr)> {
    let all = [
        ("--gossip-listen", settings.gossip_listen),
        ("--http-listen", Some(settings.http_listen)),
        ("--health-listen", settings.http.health_listen),
        ("--traffic-listen", settings.traffic.traffic_listen),
    ];
    let given = |(flag, address): (_, Option<_>)| Some((flag, address?));
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
