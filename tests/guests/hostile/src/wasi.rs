//! Calls of WASI. All of it is there, and holds nothing.

use crate::bindings::wasi::cli::{environment, stdin};
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::sockets::instance_network::instance_network;
use crate::bindings::wasi::sockets::ip_name_lookup::resolve_addresses;
use crate::bindings::wasi::sockets::network::{ErrorCode, IpAddressFamily};
use crate::bindings::wasi::sockets::tcp_create_socket::create_tcp_socket;
use crate::bindings::wasi::sockets::udp_create_socket::create_udp_socket;

/// Arguments, variables and directories of the process.
pub(crate) fn surroundings() -> String {
    let folders: Vec<String> = preopens::get_directories()
        .into_iter()
        .map(|(_, path)| path)
        .collect();
    format!(
        "environment {:?}, arguments {:?}, working directory {:?}, folders {folders:?}, input {:?}",
        environment::get_environment(),
        environment::get_arguments(),
        environment::initial_cwd(),
        stdin::get_stdin().blocking_read(10),
    )
}

/// Results of network calls.
pub(crate) fn network() -> String {
    format!(
        "tcp {}, udp {}, names {}",
        answer(create_tcp_socket(IpAddressFamily::Ipv4)),
        answer(create_udp_socket(IpAddressFamily::Ipv6)),
        answer(resolve_addresses(&instance_network(), "localhost")),
    )
}

fn answer<T>(given: Result<T, ErrorCode>) -> &'static str {
    given.err().map_or("given", |code| code.name())
}
