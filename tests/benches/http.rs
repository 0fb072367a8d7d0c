//! Reads over HTTP by 256 busy clients: the API of an agent with everything on, beside a bare axum handler that answers
//! a constant of the same size, in the same run.
//!
//! The server has two threads, the clients another on the same cores. First the clients ask as fast as they are
//! answered, which gives the capacity. Then they ask together at half of the API's capacity, and each latency counts
//! from the moment at which its request was due: a server that falls behind cannot hide it. The API and the bare handler
//! take turns, at the same rate; medians are shown. Beside throughput and latency stands the CPU time of
//! the server for an answer, which a busy machine disturbs least.
//!
//! At full load the clients' thread never sleeps: waking a sleeping thread is work of the sender, up to 3 µs an answer
//! on a virtual machine. Clients on other machines cost a server nothing of it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use edge_cache_agent::http::{self, About, Access, AppState, Guard, Hosts, Listening};
use edge_cache_agent::log;
use edge_cache_agent::plugin_manager::PluginManager;
use edge_cache_agent::settings::LogFormat;
use edge_cache_agent::shutdown::Shutdown;
use edge_cache_agent::tokens::Role;
use edge_cache_host::sandbox::PluginConfig;
use edge_cache_tests::agent::compiler;
use edge_cache_tests::bench::capacity;
use edge_cache_tests::cluster::{Member, Settings};
use edge_cache_tests::load::{Connection, Figures, Load, in_turns, request, runtimes};
use edge_cache_tests::wait::until;
use tokio::net::TcpListener;

const NODES: u64 = 100;
/// The agent's own node.
const OWN: u64 = 1;
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
const RUNS: usize = 5;
const RUN: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 256;
/// The largest 99th percentile for one entry at half of the capacity.
const P99_MAX: Duration = Duration::from_millis(5);

fn main() -> Result<()> {
    let _log = log::init(LogFormat::Text, "info");
    let (server, clients) = runtimes()?;
    let (api, _members) = server.block_on(start_api())?;
    for (name, path) in [
        ("one entry", "/api/v1/nodes/1/edge-cache"),
        ("all nodes", "/api/v1/edge-cache/nodes"),
    ] {
        let body = clients.block_on(body_of(api, path))?;
        let bare = server.block_on(start_bare(path, body.clone()))?;
        let addresses = [api, bare];
        let load = Load {
            requests: [request("GET", path, "")].into(),
            connections: CONNECTIONS,
            time: RUN,
            is_awake: true,
        };
        let warm_up = Load {
            time: WARM_UP,
            ..load.clone()
        };
        for address in addresses {
            clients.block_on(warm_up.run(address))?;
        }
        println!("{name}, {} bytes, {CONNECTIONS} connections:", body.len());
        let capacity = compare(addresses, "as fast as answered", |address| {
            clients.block_on(load.run(address))
        })?;
        let rate = capacity / 2.0;
        compare(addresses, "at half of the API's capacity", |address| {
            clients.block_on(load.run_paced(address, rate))
        })?;
    }
    println!("(wanted: p99 for one entry at half of the capacity of at most {P99_MAX:?})");
    Ok(())
}

/// One of two agents that gossip: the entry that is asked for is advertised, and carried by both.
async fn start_api() -> Result<(SocketAddr, [Member; 2])> {
    let reference = edge_cache_build::build_reference_plugin()?;
    let (plugins, plugin) =
        PluginManager::of_file(PluginConfig::default(), Some(reference), compiler()?).await?;
    let one = Member::start(plugin.clone(), Settings::new(OWN, &[])).await?;
    let two = Member::start(plugin, Settings::new(OWN + 1, &[&one])).await?;
    for node_id in 0..NODES {
        one.registry.enable(node_id, capacity(node_id)).await?;
    }
    until(
        "an entry that is carried by both",
        SETTLED_WITHIN,
        async || {
            let is_replicated = one.registry.is_replicated(OWN);
            let is_advertised = one.registry.is_advertised(OWN);
            (is_replicated && is_advertised)
                .then_some(())
                .ok_or((is_replicated, is_advertised))
        },
    )
    .await;
    let (registry, pool) = (one.registry.clone(), one.pool.clone());
    let state = AppState::new(
        registry,
        Some(pool),
        plugins,
        Shutdown::default(),
        About::default(),
    );
    let connections = state.listener_metrics("api");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listening = Listening {
        listener,
        tls: None,
        connections: CONNECTIONS,
        headers_timeout: http::HEADERS_TIMEOUT,
        headers_bytes: http::HEADERS_BYTES_MAX,
        headers_max: http::HEADERS_MAX,
        allow: Vec::new(),
    };
    let routes = http::api_routes(
        state,
        Access::local(Role::Write),
        Guard::with_page(Hosts::Local, false),
    );
    let forever = std::future::pending();
    tokio::spawn(http::serve(listening, routes, connections, forever));
    Ok((address, [one, two]))
}

async fn start_bare(path: &str, body: Bytes) -> Result<SocketAddr> {
    let answer = move || async move { ([(CONTENT_TYPE, "application/json")], body) };
    let routes = Router::new().route(path, get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

async fn body_of(address: SocketAddr, path: &str) -> Result<Bytes> {
    let mut connection = Connection::open(address).await?;
    let status = connection.ask(&request("GET", path, "")).await?;
    ensure!(status == 200, "{path}: {status}");
    Ok(Bytes::copy_from_slice(connection.body()))
}

/// Measures the API and the bare handler in turns, prints both, and returns the throughput of the API.
fn compare(
    addresses: [SocketAddr; 2],
    load: &str,
    run: impl FnMut(SocketAddr) -> Result<Figures>,
) -> Result<f64> {
    let [ours, theirs] = in_turns(addresses, RUNS, run)?;
    let ratio = ours.per_second / theirs.per_second;
    let by_cpu = theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64();
    println!("  {load}: ratio {ratio:.3}, by the server's time {by_cpu:.3}");
    println!("    the API:      {ours}");
    println!("    bare handler: {theirs}");
    Ok(ours.per_second)
}
