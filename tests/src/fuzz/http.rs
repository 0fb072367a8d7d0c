//! Doors of HTTP: requests to the API, and bytes to the listener that proxies ask.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use clap::Parser;
use edge_cache_agent::http::{self, About, Access, AppState, Guard, Hosts, Listening};
use edge_cache_agent::http::{ListenerMetrics, TrafficMetrics};
use edge_cache_agent::plugin_manager::PluginManager;
use edge_cache_agent::settings::TrafficSettings;
use edge_cache_agent::shutdown::Shutdown;
use edge_cache_agent::tokens::Role;
use edge_cache_api::Problem;
use edge_cache_api::headers::{EVENT_STREAM, PROBLEM_JSON};
use edge_cache_host::CACHE_ADDRESS_LABEL;
use edge_cache_host::sandbox::PluginConfig;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::ServiceExt;

use super::Entered::{self, Ignored, Passed, Refused};
use super::expect_line;
use super::stage::Stage;
use crate::agent::compiler;
use crate::cluster::{Member, Settings, disk};
use crate::component::reference_bytes;
use crate::reference_plugin;
use crate::wait::until;

/// The longest detail of a problem, in bytes.
const DETAIL_BYTES_MAX: usize = 4 * 1024;
/// The largest answer of a registry with one node: the description of the API.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Time for which a request with `?wait=` is watched: what it waits for is not there.
const WATCHED: Duration = Duration::from_millis(50);
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    traffic: TrafficSettings,
}

/// A request to the router of the API, of an administrator: a head with line ends of any kind, and a body.
///
/// The agent has no answer of 500, and each problem has a detail of one line.
pub(super) fn api(input: &[u8]) -> Entered {
    static STAGE: Stage<(Router, NamedTempFile)> = Stage::new();
    let Some(request) = request(input) else {
        return Ignored;
    };
    STAGE.play(start_api, async |(routes, _)| {
        match timeout(WATCHED, routes.clone().oneshot(request)).await {
            Ok(Ok(answer)) => check_answer(answer).await,
            // Nothing was wrong with a request that waits.
            Err(_) => Passed,
        }
    })
}

/// Returns the router, and the file of the plugin, which can be read again.
async fn start_api() -> (Router, NamedTempFile) {
    // As `main` of the agent does, before a registry is asked.
    http::use_ring();
    let member = Member::start(reference_plugin().unwrap(), Settings::new(1, &[]))
        .await
        .unwrap();
    member.registry.enable(1, disk(5)).await.unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), reference_bytes().unwrap()).unwrap();
    let plugin = Some(file.path().to_path_buf());
    let manager = PluginManager::of_file(PluginConfig::default(), plugin, compiler().unwrap());
    let (plugins, _) = manager.await.unwrap();
    let Member { registry, pool } = member;
    let stop = Shutdown::default();
    let state = AppState::new(registry, Some(pool), plugins, stop, About::default());
    let guard = Guard::with_page(Hosts::Local, false);
    (
        http::api_routes(state, Access::local(Role::Admin), guard),
        file,
    )
}

/// Reads a request; none where the server would refuse its head.
fn request(input: &[u8]) -> Option<Request<Body>> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let end = |mark: &[u8]| {
        let at = input.windows(mark.len()).position(|part| part == mark)?;
        Some((at, at + mark.len()))
    };
    let (head, body) = ends
        .into_iter()
        .filter_map(end)
        .min()
        .unwrap_or((input.len(), input.len()));
    let head = std::str::from_utf8(&input[..head]).ok()?;
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    request.body(Body::from(input[body..].to_vec())).ok()
}

async fn check_answer(answer: Response<Body>) -> Entered {
    let (status, headers) = (answer.status(), answer.headers().clone());
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
    let kind = headers
        .get("content-type")
        .map(|kind| kind.to_str().unwrap());
    if kind == Some(EVENT_STREAM) {
        return Passed;
    }
    let body = to_bytes(answer.into_body(), ANSWER_BYTES_MAX)
        .await
        .unwrap();
    let is_plain = !headers.contains_key("content-encoding") && !body.is_empty();
    if is_plain && kind == Some(PROBLEM_JSON) {
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.status, status.as_u16());
        expect_line(&problem.detail, DETAIL_BYTES_MAX);
    }
    let is_refused = status.is_client_error() || status.is_server_error();
    assert!(
        !is_refused || kind == Some(PROBLEM_JSON),
        "{status} {kind:?}"
    );
    match is_refused {
        true => Refused(String::from_utf8_lossy(&body).into_owned()),
        false => Passed,
    }
}

/// Bytes on a connection to the traffic listener: whatever comes, it goes on to answer.
pub(super) fn traffic(input: &[u8]) -> Entered {
    static STAGE: Stage<(Member, SocketAddr)> = Stage::new();
    STAGE.play(start_traffic, async |(_, address)| {
        let answer = ask(*address, input).await;
        let entered = check_head(&answer);
        let answer = ask(
            *address,
            b"GET /pick/a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
        entered
    })
}

async fn start_traffic() -> (Member, SocketAddr) {
    let mut settings = Settings::new(1, &[]);
    let labels = &mut settings.gossip.self_info.labels;
    labels.insert(
        CACHE_ADDRESS_LABEL.to_string(),
        "127.0.0.1:8081".to_string(),
    );
    let member = Member::start(reference_plugin().unwrap(), settings)
        .await
        .unwrap();
    member.registry.enable(1, disk(5)).await.unwrap();
    let traffic = member.registry.traffic().unwrap().clone();
    until("the cache in the table", SETTLED_WITHIN, async || {
        let seen = traffic.table().map_or(0, |table| table.len());
        if seen == 1 { Ok(()) } else { Err(seen) }
    })
    .await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = Listening {
        listener,
        tls: None,
        connections: http::TRAFFIC_CONNECTIONS_MAX,
        headers_timeout: http::TRAFFIC_HEADERS_TIMEOUT,
        headers_bytes: http::TRAFFIC_HEADERS_BYTES_MAX,
        headers_max: http::TRAFFIC_HEADERS_MAX,
        allow: Vec::new(),
    };
    let settings = Defaults::try_parse_from(["traffic"]).unwrap().traffic;
    let routes = http::traffic_routes(traffic, &settings, TrafficMetrics::default());
    let metrics = ListenerMetrics::default();
    tokio::spawn(http::serve(
        listening,
        routes,
        metrics,
        std::future::pending(),
    ));
    (member, address)
}

/// Sends bytes and the end of them. Returns the answer; what a connection that is broken has brought.
async fn ask(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let (mut from, mut to) = stream.split();
    let write = async {
        // The listener may have answered and closed before the end.
        let _ = to.write_all(request).await;
        let _ = to.shutdown().await;
    };
    let read = async { drop(from.read_to_end(&mut answer).await) };
    tokio::join!(write, read);
    answer
}

/// Expects an answer of HTTP, or none, that no proxy takes for one of the origin.
fn check_head(answer: &[u8]) -> Entered {
    let Some(end) = answer.windows(4).position(|part| part == b"\r\n\r\n") else {
        assert!(answer.is_empty(), "{answer:?}");
        return Ignored;
    };
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap();
    assert!(head.starts_with("HTTP/1."), "{head}");
    assert_ne!(status, "500");
    for line in head.lines().skip(1) {
        assert!(line.contains(": "), "{head}");
    }
    match status {
        "200" => Passed,
        _ => Refused(head.to_string()),
    }
}
