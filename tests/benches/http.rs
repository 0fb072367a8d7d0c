//! Reads over HTTP by 256 busy clients: the API of an agent with everything on, beside a bare axum handler that answers
//! a constant of the same size, in the same run.
//!
//! The server has two threads; the clients, on another, ask as fast as they are answered. The API and the bare handler
//! take turns, and each figure is the median of its runs. Beside throughput and latency stands the CPU time of the
//! server for an answer, which a busy machine disturbs least.
//!
//! The clients' thread never sleeps: waking a sleeping thread is work of the sender, up to 3 µs an answer on a virtual
//! machine. Clients on other machines cost a server nothing of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use edge_cache_agent::http::{self, Access, AppState, Hosts, Listening};
use edge_cache_agent::log;
use edge_cache_agent::plugin_manager::PluginManager;
use edge_cache_agent::settings::LogFormat;
use edge_cache_agent::shutdown::Shutdown;
use edge_cache_agent::tokens::Role;
use edge_cache_host::sandbox::PluginConfig;
use edge_cache_tests::bench::capacity;
use edge_cache_tests::cluster::{Member, Settings};
use edge_cache_tests::load::{Connection, request};
use edge_cache_tests::wait::until;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};

const NODES: u64 = 100;
/// The agent's own node.
const OWN: u64 = 1;
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
const RUNS: usize = 5;
const RUN: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 256;
/// The server's thread, as the system knows it.
const SERVER: &str = "bench-server";
/// After how many polls of its tasks the clients' thread looks for answers.
const LOOKED_EVERY: u32 = 8;
/// The largest 99th percentile for one entry.
const P99_MAX: Duration = Duration::from_millis(5);

/// What came of one run.
#[derive(Debug, Clone, Copy)]
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    /// Of the server, an answer.
    cpu: Duration,
}

fn main() -> Result<()> {
    let _log = log::init(LogFormat::Text, "info");
    let server = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(SERVER)
        .enable_all()
        .build()?;
    let clients = Builder::new_current_thread()
        .event_interval(LOOKED_EVERY)
        .enable_all()
        .build()?;
    let (api, _members) = server.block_on(start_api())?;
    for (name, path) in [
        ("one entry", "/api/v1/nodes/1/edge-cache"),
        ("all nodes", "/api/v1/edge-cache/nodes"),
    ] {
        let body = clients.block_on(body_of(api, path))?;
        let bare = server.block_on(start_bare(path, body.clone()))?;
        let (ours, theirs) = compare(&clients, [api, bare], path)?;
        let ratio = ours.per_second / theirs.per_second;
        println!("{name}, {} bytes, {CONNECTIONS} connections:", body.len());
        println!("  the API:      {}", ours.shown());
        println!("  bare handler: {}", theirs.shown());
        let by_cpu = theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64();
        println!(
            "  ratio {ratio:.3}, by the server's time {by_cpu:.3} (p99 for one entry: at most {P99_MAX:?})"
        );
    }
    Ok(())
}

/// One of two agents that gossip: the entry that is asked for is advertised, and carried by both.
async fn start_api() -> Result<(SocketAddr, [Member; 2])> {
    let reference = edge_cache_build::build_reference_plugin()?;
    let (plugins, plugin) = PluginManager::start(PluginConfig::default(), Some(reference))?;
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
    let state = AppState::new(registry, Some(pool), plugins, Shutdown::default());
    let connections = state.listener_metrics("api");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listening = Listening {
        listener,
        tls: None,
        connections: CONNECTIONS,
        headers_timeout: http::HEADERS_TIMEOUT,
    };
    let routes = http::api_routes(state, Access::local(Role::Write), Hosts::Local);
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

/// Both sides in turns.
fn compare(
    clients: &Runtime,
    [api, bare]: [SocketAddr; 2],
    path: &str,
) -> Result<(Figures, Figures)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for address in [api, bare] {
        clients.block_on(run(address, path, WARM_UP))?;
    }
    for _ in 0..RUNS {
        ours.push(clients.block_on(run(api, path, RUN))?);
        theirs.push(clients.block_on(run(bare, path, RUN))?);
    }
    Ok((median(ours)?, median(theirs)?))
}

async fn run(address: SocketAddr, path: &str, time: Duration) -> Result<Figures> {
    let mut clients = JoinSet::new();
    let cpu_before = server_cpu()?;
    for _ in 0..CONNECTIONS {
        let request = request("GET", path, "");
        let mut connection = Connection::open(address).await?;
        clients.spawn(async move {
            let status = connection.ask(&request).await?;
            ensure!(status == 200, "{status}");
            let start = Instant::now();
            let mut times = Vec::new();
            let mut asked = start;
            while asked - start < time {
                connection.ask_again(&request).await?;
                let answered = Instant::now();
                times.push(answered - asked);
                asked = answered;
            }
            anyhow::Ok((times, asked - start))
        });
    }
    let awake = tokio::spawn(async {
        loop {
            yield_now().await;
        }
    });
    let (mut all, mut per_second) = (Vec::new(), 0.0);
    while let Some(ended) = clients.join_next().await {
        let (times, took) = ended??;
        per_second += times.len() as f64 / took.as_secs_f64();
        all.extend(times);
    }
    awake.abort();
    let cpu = server_cpu()?.saturating_sub(cpu_before);
    all.sort_unstable();
    let at = |share: usize| all.get(all.len() * share / 100).copied();
    Ok(Figures {
        per_second,
        p50: at(50).context("no answers")?,
        p99: at(99).context("no answers")?,
        cpu: cpu / u32::try_from(all.len())?,
    })
}

/// How long the server's thread has run.
fn server_cpu() -> Result<Duration> {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == SERVER {
            let stat = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos = stat.split(' ').next().context("no time")?;
            total += Duration::from_nanos(nanos.parse()?);
        }
    }
    Ok(total)
}

/// The run in the middle by throughput.
fn median(mut runs: Vec<Figures>) -> Result<Figures> {
    runs.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    runs.get(runs.len() / 2).copied().context("no runs")
}

impl Figures {
    fn shown(&self) -> String {
        let Self {
            per_second,
            p50,
            p99,
            cpu,
        } = self;
        format!(
            "{per_second:.0} a second, p50 {p50:.0?}, p99 {p99:.0?}, {cpu:.1?} of the server an answer"
        )
    }
}
