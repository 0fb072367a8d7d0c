//! Checks of single settings.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::GossipError;

/// Maximum length of a cluster name. It is part of the first message of every round, beside the
/// digest.
const CLUSTER_ID_BYTES_MAX: usize = 128;
/// Maximum length of a host name in the domain name system.
const HOST_BYTES_MAX: usize = 253;

pub(super) fn check_cluster_id(cluster_id: &str) -> Result<(), GossipError> {
    let fits = (1..=CLUSTER_ID_BYTES_MAX).contains(&cluster_id.len());
    if fits && !cluster_id.contains(char::is_control) {
        return Ok(());
    }
    Err(GossipError::Setting {
        setting: "cluster_id",
        rule: format!("1 to {CLUSTER_ID_BYTES_MAX} bytes without control characters"),
    })
}

pub(super) fn check_range(
    setting: &'static str,
    value: Duration,
    min: Duration,
    max: Duration,
) -> Result<(), GossipError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(GossipError::Setting {
        setting,
        rule: format!("{min:?} to {max:?}, not {value:?}"),
    })
}

pub(super) fn check_seed(seed: &str) -> Result<(), GossipError> {
    let valid = match seed.parse::<SocketAddr>() {
        Ok(address) => address.port() != 0 && is_reachable(address.ip()),
        Err(_) => is_host_and_port(seed),
    };
    if valid {
        return Ok(());
    }
    Err(GossipError::Seed {
        seed: seed.to_owned(),
    })
}

/// Returns `false` for the unspecified address: a datagram to it returns to the sender.
pub(super) fn is_reachable(ip: IpAddr) -> bool {
    !ip.to_canonical().is_unspecified()
}

/// Checks for a host name and a port. A bare IPv6 address is refused: its last group could be meant
/// as the port.
fn is_host_and_port(seed: &str) -> bool {
    let Some((host, port)) = seed.rsplit_once(':') else {
        return false;
    };
    let host_is_name = (1..=HOST_BYTES_MAX).contains(&host.len())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let port_is_number = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0);
    host_is_name && port_is_number
}
