//! Reads over HTTP by 256 busy clients: the API of an agent with everything on, beside a bare axum handler that answers
//! a constant of the same size, in the same run.
//!
//! The server has two threads, the clients another on the same cores. First the clients ask as fast as they are
//! answered, which gives the capacity. Then they ask together at half of the API's capacity, and each latency counts
//! from the moment at which its request was due: a server that falls behind cannot hide it. The API and the bare handler
//! take turns, at the same rate; the run in the middle is shown. Beside throughput and latency stands the CPU time of
//! the server for an answer, which a busy machine disturbs least.
//!
//! At full load the clients' thread never sleeps: waking a sleeping thread is work of the sender, up to 3 µs an answer
//! on a virtual machine. Clients on other machines cost a server nothing of it.

use std::net::SocketAddr;
use std::thread;
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
use edge_cache_tests::agent::compiler;
use edge_cache_tests::bench::capacity;
use edge_cache_tests::cluster::{Member, Settings};
use edge_cache_tests::load::{Connection, request};
use edge_cache_tests::wait::until;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc::unbounded_channel;
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
/// The longest pause of the thread that says when requests are due.
const TICK: Duration = Duration::from_micros(200);
/// The largest 99th percentile for one entry at half of the capacity.
const P99_MAX: Duration = Duration::from_millis(5);

/// What came of one run.
#[derive(Debug, Clone, Copy)]
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    p999: Duration,
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
        let addresses = [api, bare];
        for address in addresses {
            clients.block_on(run(address, path, WARM_UP))?;
        }
        println!("{name}, {} bytes, {CONNECTIONS} connections:", body.len());
        let capacity = compare(addresses, "as fast as answered", |address| {
            clients.block_on(run(address, path, RUN))
        })?;
        let rate = capacity / 2.0;
        compare(addresses, "at half of the API's capacity", |address| {
            clients.block_on(run_paced(address, path, rate))
        })?;
    }
    println!("(wanted: p99 for one entry at half of the capacity of at most {P99_MAX:?})");
    Ok(())
}

/// One of two agents that gossip: the entry that is asked for is advertised, and carried by both.
async fn start_api() -> Result<(SocketAddr, [Member; 2])> {
    let reference = edge_cache_build::build_reference_plugin()?;
    let (plugins, plugin) =
        PluginManager::start(PluginConfig::default(), Some(reference), compiler()?).await?;
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
        headers_bytes: http::HEADERS_BYTES_MAX,
        headers_max: http::HEADERS_MAX,
        allow: Vec::new(),
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

/// Measures the API and the bare handler in turns, prints both, and returns the throughput of the API.
fn compare(
    [api, bare]: [SocketAddr; 2],
    load: &str,
    mut run: impl FnMut(SocketAddr) -> Result<Figures>,
) -> Result<f64> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(run(api)?);
        theirs.push(run(bare)?);
    }
    let (ours, theirs) = (median(ours)?, median(theirs)?);
    let ratio = ours.per_second / theirs.per_second;
    let by_cpu = theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64();
    println!("  {load}: ratio {ratio:.3}, by the server's time {by_cpu:.3}");
    println!("    the API:      {}", ours.shown());
    println!("    bare handler: {}", theirs.shown());
    Ok(ours.per_second)
}

/// Asks as fast as the server answers.
async fn run(address: SocketAddr, path: &str, time: Duration) -> Result<Figures> {
    let mut clients = JoinSet::new();
    let cpu_before = server_cpu()?;
    let start = Instant::now();
    for _ in 0..CONNECTIONS {
        let (mut connection, request) = connect(address, path).await?;
        clients.spawn(async move {
            let start = Instant::now();
            let mut times = Vec::new();
            let mut asked = start;
            while asked - start < time {
                connection.ask_again(&request).await?;
                let answered = Instant::now();
                times.push(answered - asked);
                asked = answered;
            }
            anyhow::Ok(times)
        });
    }
    let awake = tokio::spawn(async {
        loop {
            yield_now().await;
        }
    });
    let figures = figures(clients, start, cpu_before).await;
    awake.abort();
    figures
}

/// Asks at a fixed rate, the clients in turn.
async fn run_paced(address: SocketAddr, path: &str, rate: f64) -> Result<Figures> {
    let mut clients = JoinSet::new();
    let mut turns = Vec::new();
    for _ in 0..CONNECTIONS {
        let (mut connection, request) = connect(address, path).await?;
        let (turn, mut due) = unbounded_channel::<Instant>();
        turns.push(turn);
        clients.spawn(async move {
            let mut times = Vec::new();
            while let Some(due) = due.recv().await {
                connection.ask_again(&request).await?;
                times.push(due.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let cpu_before = server_cpu()?;
    let start = Instant::now();
    thread::spawn(move || {
        let end = start + RUN;
        let mut due = start;
        for turn in turns.iter().cycle() {
            while due > Instant::now() {
                thread::sleep(TICK);
            }
            if due > end || turn.send(due).is_err() {
                return;
            }
            due += Duration::from_secs_f64(1.0 / rate);
        }
    });
    figures(clients, start, cpu_before).await
}

/// Opens a connection that has been used once.
async fn connect(address: SocketAddr, path: &str) -> Result<(Connection, Vec<u8>)> {
    let request = request("GET", path, "");
    let mut connection = Connection::open(address).await?;
    let status = connection.ask(&request).await?;
    ensure!(status == 200, "{status}");
    Ok((connection, request))
}

/// Waits for the clients, and sums up their latencies.
async fn figures(
    mut clients: JoinSet<Result<Vec<Duration>>>,
    start: Instant,
    cpu_before: Duration,
) -> Result<Figures> {
    let mut all = Vec::new();
    while let Some(ended) = clients.join_next().await {
        all.extend(ended??);
    }
    let per_second = all.len() as f64 / start.elapsed().as_secs_f64();
    let cpu = server_cpu()?.saturating_sub(cpu_before);
    all.sort_unstable();
    let at = |thousandths: usize| {
        let found = all.get(all.len() * thousandths / 1000);
        found.copied().context("no answers")
    };
    Ok(Figures {
        per_second,
        p50: at(500)?,
        p99: at(990)?,
        p999: at(999)?,
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

/// The run in the middle by its 99th percentile.
fn median(mut runs: Vec<Figures>) -> Result<Figures> {
    runs.sort_by_key(|run| run.p99);
    runs.get(runs.len() / 2).copied().context("no runs")
}

impl Figures {
    fn shown(&self) -> String {
        let Self {
            per_second,
            p50,
            p99,
            p999,
            cpu,
        } = self;
        format!(
            "{per_second:.0} a second, p50 {p50:.1?}, p99 {p99:.1?}, p999 {p999:.1?}, {cpu:.1?} of the server an answer"
        )
    }
}
