//! Calls of WASI. All of it is there, and holds nothing.

use crate::bindings::wasi::cli::{environment, stdin};
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{Fields, OutgoingRequest};
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

/// Results of a request over HTTP.
pub(crate) fn http() -> String {
    let headers = Fields::new();
    let header = headers.append("accept", b"text/plain").err();
    let request = OutgoingRequest::new(headers);
    let authority = request.set_authority(Some("localhost"));
    let body = request.body().is_err();
    let error = outgoing_handler::handle(request, None).err();
    format!("header {header:?}, authority {authority:?}, body refused {body}, request {error:?}")
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
