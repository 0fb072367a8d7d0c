//! Picks beside a handler that answers a constant; nginx that follows picks beside nginx that hashes by itself.
//!
//! All servers run on this machine and take turns; medians are shown. First `/pick` beside a constant answer with headers
//! of the same size, in the same accept loop. Then nginx, configured as the page `traffic.md` says, beside nginx with one
//! fixed upstream and beside nginx's own consistent hash over the same five caches. At last one cache of the five
//! leaves, and the origin counts what is asked again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use clap::Parser;
use edge_cache_agent::http::{self, ListenerMetrics, Listening, TrafficMetrics};
use edge_cache_agent::log;
use edge_cache_agent::settings::{LogFormat, TrafficSettings};
use edge_cache_host::{CACHE_ADDRESS_LABEL, Traffic};
use edge_cache_tests::bench::capacity;
use edge_cache_tests::cluster::{Member, Settings};
use edge_cache_tests::debian::NGINX;
use edge_cache_tests::load::{Connection, Figures, Load, in_turns, request, runtimes};
use edge_cache_tests::proxies::{Origin, Server, block};
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const CACHES: usize = 5;
const KEYS: usize = 1_000;
/// Keys that are asked for before and after a cache leaves.
const LEFT_KEYS: usize = 5_000;
const RUNS: usize = 7;
const RUN: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(500);
const PICK_CONNECTIONS: usize = 64;
const PROXY_CONNECTIONS: usize = 32;
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// The least throughput of `/pick` beside the constant, and its largest 99th percentile.
const THROUGHPUT_MIN: f64 = 0.85;
const P99_MAX: f64 = 1.3;
/// By default nginx closes a connection of a client after 1,000 requests.
const KEPT: &str = "keepalive_requests 1000000000;\n";
const ANSWERED: [&str; 4] = [
    "x-edge-cache-hosts",
    "x-edge-cache-host",
    "x-edge-cache-host-2",
    "x-edge-cache-nodes",
];

/// The settings of traffic by default.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    traffic: TrafficSettings,
}

fn main() -> Result<()> {
    let _log = log::init(LogFormat::Text, "warn");
    let (server, clients) = runtimes()?;
    let Some((origin, caches)) = server.block_on(start_caches())? else {
        return Ok(());
    };
    let addresses: Vec<_> = caches.iter().map(|cache| cache.address).collect();
    let mut members = server.block_on(start_members(&addresses))?;
    let traffic = members.first().context("no members")?;
    let traffic = traffic.registry.traffic().context("no node")?.clone();
    server.block_on(expect_caches(&traffic, CACHES));
    let agent = server.block_on(start_pick(traffic.clone()))?;
    compare_with_constant(&server, &clients, agent)?;

    let proxies = server.block_on(start_proxies(agent, &addresses))?;
    compare_proxies(
        &clients,
        [&proxies.picked, &proxies.fixed, &proxies.consistent],
    )?;

    let asked = |name: &str, proxy: &Server| {
        let load = proxy_load(name, LEFT_KEYS);
        let before = origin.requests();
        server.block_on(load.ask_once(proxy.address))?;
        anyhow::Ok(origin.requests() - before)
    };
    let all = [
        ("picked", &proxies.picked),
        ("consistent", &proxies.consistent),
        ("modulo", &proxies.modulo),
    ];
    for (name, proxy) in all {
        let (first, again) = (asked(name, proxy)?, asked(name, proxy)?);
        ensure!(
            (first, again) == (LEFT_KEYS as u64, 0),
            "{name}: {first}, then {again}"
        );
    }
    let last = members.pop().context("no members")?;
    let left = last.pool.node_id();
    let table = traffic.table().context("no table")?;
    let its_keys = (0..LEFT_KEYS)
        .filter(|key| {
            let key = path("picked", *key);
            let first = table.pick(key.as_bytes(), 1, None).next();
            first.is_some_and(|(node_id, _)| node_id == left)
        })
        .count();
    server.block_on(last.pool.leave());
    server.block_on(last.registry.shutdown());
    server.block_on(expect_caches(&traffic, CACHES - 1));
    let remaining = addresses.get(..CACHES - 1).context("no caches")?;
    let consistent = server.block_on(hashing("hash $uri consistent;", remaining))?;
    let modulo = server.block_on(hashing("hash $uri;", remaining))?;
    println!(
        "one of {CACHES} caches leaves, {LEFT_KEYS} keys: requests that reach the origin again:"
    );
    let picked = asked("picked", &proxies.picked)?;
    println!("  nginx with picks: {picked} (keys of the cache that left: {its_keys})");
    println!(
        "  nginx, hash $uri consistent: {}",
        asked("consistent", &consistent)?
    );
    println!("  nginx, hash $uri: {}", asked("modulo", &modulo)?);
    Ok(())
}

/// Starts caches as the page says, and the origin behind them; none where nginx is not there.
async fn start_caches() -> Result<Option<(Origin, Vec<Server>)>> {
    let Some(nginx) = NGINX.program() else {
        return Ok(None);
    };
    let origin = Origin::start().await?;
    let http = block("nginx as cache")?
        .replace("127.0.0.1:8081", "LISTEN")
        .replace("127.0.0.1:9000", &origin.address.to_string())
        .replace("/var/cache/edge", "FOLDER/cache");
    let mut caches = Vec::new();
    for _ in 0..CACHES {
        caches.push(Server::nginx(nginx, &http).await?);
    }
    Ok(Some((origin, caches)))
}

/// Starts a member for each cache, with equal capacities.
async fn start_members(caches: &[SocketAddr]) -> Result<Vec<Member>> {
    let mut members = Vec::<Member>::new();
    for (node_id, cache) in (1..).zip(caches) {
        let mut settings = Settings::new(node_id, &members.iter().collect::<Vec<_>>());
        let labels = &mut settings.gossip.self_info.labels;
        labels.insert(CACHE_ADDRESS_LABEL.to_string(), cache.to_string());
        members.push(Member::start(reference_plugin()?, settings).await?);
    }
    let first = members.first().context("no caches")?;
    for node_id in (1..).take(caches.len()) {
        first.registry.enable(node_id, capacity(0)).await?;
    }
    Ok(members)
}

async fn expect_caches(traffic: &Traffic, count: usize) {
    until("the caches in the table", SETTLED_WITHIN, async || {
        let seen = traffic.table().map_or(0, |table| table.len());
        if seen == count { Ok(()) } else { Err(seen) }
    })
    .await;
}

/// Serves the traffic listener as an agent does.
async fn start_pick(traffic: Traffic) -> Result<SocketAddr> {
    let settings = Defaults::try_parse_from(["traffic"])?.traffic;
    serve(http::traffic_routes(
        traffic,
        &settings,
        TrafficMetrics::default(),
    ))
    .await
}

async fn serve(routes: Router) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listening = Listening {
        listener,
        tls: None,
        connections: http::TRAFFIC_CONNECTIONS_MAX,
        headers_timeout: http::TRAFFIC_HEADERS_TIMEOUT,
        headers_bytes: http::TRAFFIC_HEADERS_BYTES_MAX,
        headers_max: http::TRAFFIC_HEADERS_MAX,
        allow: Vec::new(),
    };
    let forever = std::future::pending();
    tokio::spawn(http::serve(
        listening,
        routes,
        ListenerMetrics::default(),
        forever,
    ));
    Ok(address)
}

fn path(name: &str, key: usize) -> String {
    format!("/{name}/{key:05}.js")
}

fn proxy_load(name: &str, keys: usize) -> Load {
    Load {
        requests: (0..keys)
            .map(|key| request("GET", &path(name, key), ""))
            .collect(),
        connections: PROXY_CONNECTIONS,
        time: RUN,
        is_awake: false,
    }
}

fn compare_with_constant(server: &Runtime, clients: &Runtime, pick: SocketAddr) -> Result<()> {
    let requests: Arc<[_]> = (0..KEYS)
        .map(|key| request("GET", &format!("/pick{}", path("object", key)), ""))
        .collect();
    let load = Load {
        requests: requests.clone(),
        connections: PICK_CONNECTIONS,
        time: RUN,
        is_awake: true,
    };
    let first = requests.first().context("no requests")?;
    let head = clients.block_on(async {
        let mut connection = Connection::open(pick).await?;
        connection.ask(first).await?;
        anyhow::Ok(String::from_utf8(connection.head().to_vec())?)
    })?;
    let headers = ANSWERED.map(|name| {
        let value = head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = HeaderValue::from_str(value.unwrap_or_default()).ok();
        (
            HeaderName::from_static(name),
            value.unwrap_or_else(|| HeaderValue::from_static("")),
        )
    });
    let answer = move || async move { headers };
    let constant = server.block_on(serve(Router::new().fallback(answer)))?;
    let both = [pick, constant];
    let warm_up = Load {
        time: WARM_UP,
        ..load.clone()
    };
    for address in both {
        clients.block_on(warm_up.run(address))?;
    }
    println!(
        "/pick, {} bytes of headers, {PICK_CONNECTIONS} connections:",
        head.len()
    );
    let show = |name: &str, [ours, theirs]: [Figures; 2]| {
        println!(
            "  {name}: ratio of throughput {:.3}, of p99 {:.3}, of the server's time {:.3}",
            ours.per_second / theirs.per_second,
            ours.p99.as_secs_f64() / theirs.p99.as_secs_f64(),
            ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64(),
        );
        println!("    /pick:    {ours}");
        println!("    constant: {theirs}");
    };
    let fast = in_turns(both, RUNS, |address| clients.block_on(load.run(address)))?;
    show("as fast as answered", fast);
    let rate = fast[0].per_second / 2.0;
    let paced = in_turns(both, RUNS, |address| {
        clients.block_on(load.run_paced(address, rate))
    })?;
    show("at half of its capacity", paced);
    println!(
        "  (wanted: throughput at least {THROUGHPUT_MIN} of the constant's, p99 at most {P99_MAX} times)"
    );
    Ok(())
}

/// Proxies over the same caches.
struct Proxies {
    picked: Server,
    fixed: Server,
    consistent: Server,
    modulo: Server,
}

async fn start_proxies(agent: SocketAddr, caches: &[SocketAddr]) -> Result<Proxies> {
    let nginx = NGINX.program().context("no nginx")?;
    let mut picked = block("nginx as proxy")?
        .replace("upstream agent {", &format!("{KEPT}upstream agent {{"))
        .replace("listen 127.0.0.1:8000", "listen LISTEN")
        .replace("127.0.0.1:7948", &agent.to_string());
    for (index, cache) in caches.iter().enumerate() {
        picked = picked.replace(&format!("127.0.0.1:808{}", index + 1), &cache.to_string());
    }
    let first = caches.get(..1).context("no caches")?;
    Ok(Proxies {
        picked: Server::nginx(nginx, &picked).await?,
        fixed: hashing("", first).await?,
        consistent: hashing("hash $uri consistent;", caches).await?,
        modulo: hashing("hash $uri;", caches).await?,
    })
}

/// Starts nginx as the proxy of these caches, which it chooses by a directive of its own.
async fn hashing(directive: &str, caches: &[SocketAddr]) -> Result<Server> {
    let servers: String = caches
        .iter()
        .map(|cache| format!("server {cache}; "))
        .collect();
    let http = format!(
        "{KEPT}upstream caches {{ {directive} {servers} }}\nserver {{ listen LISTEN; location / {{ \
         proxy_set_header Host $http_host; proxy_connect_timeout 250ms; proxy_pass http://caches; }} }}\n"
    );
    Server::nginx(NGINX.program().context("no nginx")?, &http).await
}

fn compare_proxies(clients: &Runtime, proxies: [&Server; 3]) -> Result<()> {
    let load = proxy_load("object", KEYS);
    let addresses = proxies.map(|proxy| proxy.address);
    for address in addresses {
        clients.block_on(load.ask_once(address))?;
    }
    println!("nginx as proxy of {CACHES} warm caches, {PROXY_CONNECTIONS} connections:");
    let show = |name: &str, all: [Figures; 3]| {
        println!("  {name}:");
        let [ours, fixed, consistent] = all;
        println!(
            "    auth_request on /pick: {:.0} a second, p50 {:.1?}, p99 {:.1?}",
            ours.per_second, ours.p50, ours.p99
        );
        for (name, other) in [
            ("fixed upstream", fixed),
            ("hash $uri consistent", consistent),
        ] {
            println!(
                "    {name}: {:.0} a second, p50 {:.1?}, p99 {:.1?}; picks have {:.3} of its throughput, {:.3} times its \
                 p99",
                other.per_second,
                other.p50,
                other.p99,
                ours.per_second / other.per_second,
                ours.p99.as_secs_f64() / other.p99.as_secs_f64(),
            );
        }
    };
    let fast = in_turns(addresses, RUNS, |address| {
        clients.block_on(load.run(address))
    })?;
    show("as fast as answered", fast);
    let rate = fast[0].per_second / 2.0;
    let paced = in_turns(addresses, RUNS, |address| {
        clients.block_on(load.run_paced(address, rate))
    })?;
    show("at half of the first one's capacity", paced);
    Ok(())
}
