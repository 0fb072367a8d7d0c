//! The traffic listener of real agents, asked as proxies ask, and by clients that want to choose their cache.

mod check;
mod endpoints;
mod proxies;
mod settings;

use std::net::SocketAddr;
use std::time::Duration;

use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::gossip_node::{Node, meet, metric};
use crate::signs::cluster::decide;

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(60);
const FAST: [&str; 6] = [
    "--gossip-interval",
    "200ms",
    "--gossip-join-timeout",
    "2s",
    "--traffic-listen",
    "127.0.0.1:0",
];

/// Starts the agent of a node whose cache is at this address.
async fn start(id: u64, cache: SocketAddr, seed: Option<&Node>, args: &[&str]) -> Node {
    let (cache, seed) = (cache.to_string(), seed.map(|seed| seed.gossip.to_string()));
    let mut all = [&FAST[..], &["--cache-address", &cache], args].concat();
    if let Some(seed) = &seed {
        all.extend(["--seed", seed]);
    }
    Node::start(id, &all).await.unwrap()
}

/// The address of the cache of a node in tests without real caches.
fn cache_of(node: u64) -> SocketAddr {
    format!("127.0.0.{node}:80").parse().unwrap()
}

/// Starts three agents, and enables their nodes.
async fn three(args: &[&str]) -> [Node; 3] {
    let one = start(1, cache_of(1), None, args).await;
    let two = start(2, cache_of(2), Some(&one), args).await;
    let three = start(3, cache_of(3), Some(&one), args).await;
    meet(&[&one, &two, &three], SOON).await;
    let nodes = [one, two, three];
    for id in 1..=3 {
        decide(&nodes[0], Method::POST, id).await;
    }
    for node in &nodes {
        expect_caches(node, 3).await;
    }
    nodes
}

/// Waits until the traffic table of an agent has so many caches.
pub(crate) async fn expect_caches(node: &Node, count: usize) {
    until(
        &format!("{count} caches of node {}", node.id),
        SOON,
        || async {
            let caches = metric(node, "edge_cache_traffic_caches").await;
            if caches == count as f64 {
                Ok(())
            } else {
                Err(caches)
            }
        },
    )
    .await;
}

/// An answer on the wire: the status, and the headers in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wire {
    status: u16,
    head: String,
}

impl Wire {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn hosts(&self) -> Vec<&str> {
        let hosts = self.header("x-edge-cache-hosts");
        hosts.map_or_else(Vec::new, |hosts| hosts.split(',').collect())
    }
}

/// Sends these bytes and reads the head of the answer; `None` where the connection is closed without one.
async fn exchange(to: SocketAddr, request: &[u8]) -> Option<Wire> {
    let stream = TcpStream::connect(to).await.unwrap();
    exchange_on(stream, request).await
}

async fn exchange_on(mut stream: TcpStream, request: &[u8]) -> Option<Wire> {
    let exchange = async {
        // A refused client may be cut off while it writes.
        let _ = stream.write_all(request).await;
        let mut read = String::new();
        let mut part = [0; 4096];
        let head = loop {
            // An interim response, such as 100, precedes the answer.
            match read.split_once("\r\n\r\n") {
                Some((head, rest)) if head.starts_with("http/1.1 1") => read = rest.to_string(),
                Some((head, _)) => break head.to_string(),
                None => match stream.read(&mut part).await {
                    Ok(0) | Err(_) => return None,
                    Ok(bytes) => read += &String::from_utf8_lossy(&part[..bytes]).to_lowercase(),
                },
            }
        };
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Wire { status, head })
    };
    timeout(SOON, exchange).await.expect("an answer")
}

pub(crate) async fn pick(node: &Node, target: &str, headers: &str) -> Wire {
    let request = format!("GET {target} HTTP/1.1\r\nHost: proxy\r\n{headers}\r\n");
    let answer = exchange(node.traffic.unwrap(), request.as_bytes()).await;
    answer.expect("an answer")
}

/// Returns the nodes and the addresses that `route` answers for a key.
async fn route(node: &Node, key: &str) -> (String, Vec<String>) {
    let path = format!(
        "/api/v1/edge-cache/route?replicas=3&key={}",
        key.replace('/', "%2F")
    );
    let answer = node.ask(Method::GET, &path, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let nodes = answer.body["nodes"].as_array().unwrap();
    let ids: Vec<_> = nodes
        .iter()
        .map(|node| node["node_id"].to_string())
        .collect();
    let addresses = nodes
        .iter()
        .map(|node| node["address"].as_str().unwrap().to_string());
    (ids.join(","), addresses.collect())
}

#[tokio::test]
async fn every_agent_picks_what_route_answers() {
    let nodes = three(&[]).await;
    let mut first = std::collections::BTreeSet::new();
    for key in 0..100 {
        let key = format!("/object/{key}.js");
        let (ids, addresses) = route(&nodes[0], &key).await;
        for node in &nodes {
            let answer = pick(node, &format!("/pick{key}?v=1"), "").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.hosts(), addresses, "{key}");
            assert_eq!(answer.header("x-edge-cache-nodes"), Some(&*ids));
            assert_eq!(answer.header("x-edge-cache-host"), Some(&*addresses[0]));
            assert_eq!(answer.header("x-edge-cache-host-2"), Some(&*addresses[1]));
            assert_eq!(answer.header("content-length"), Some("0"));
        }
        first.insert(ids);
    }
    assert!(first.len() > 1, "all keys go to the same nodes");

    // The address is in the answers about nodes and members too, for the own node as for others.
    for node in &nodes {
        let listed = node
            .ask(Method::GET, "/api/v1/edge-cache/nodes", None)
            .await;
        let members = node.ask(Method::GET, "/api/v1/cluster/members", None).await;
        for id in 1..=3_u64 {
            let index = usize::try_from(id - 1).unwrap();
            let expected = cache_of(id).to_string();
            assert_eq!(listed.body["nodes"][index]["address"], expected);
            let member = &members.body["members"][index];
            assert_eq!(member["address"], expected);
            assert_eq!(member["labels"]["cache_address"], expected);
            assert_eq!(member["labels"]["edge_cache"], "true");
            let path = format!("/api/v1/nodes/{id}/edge-cache");
            let shown = node.ask(Method::GET, &path, None).await;
            assert_eq!(shown.body["address"], expected);
        }
    }

    // A disabled node is gone at every agent.
    decide(&nodes[1], Method::DELETE, 3).await;
    for node in &nodes {
        expect_caches(node, 2).await;
        let answer = pick(node, "/pick/a", "").await;
        assert!(
            !answer.hosts().contains(&&*cache_of(3).to_string()),
            "{answer:?}"
        );
        assert_eq!(answer.hosts().len(), 2);
    }
    decide(&nodes[1], Method::DELETE, 1).await;
    decide(&nodes[1], Method::DELETE, 2).await;
    expect_caches(&nodes[0], 0).await;
    assert_eq!(pick(&nodes[0], "/pick/a", "").await.status, 503);
    let unavailable = r#"edge_cache_traffic_picks_total{result="unavailable"}"#;
    assert_eq!(metric(&nodes[0], unavailable).await, 1.0);
}

/// Whatever a client sends through its proxy, the answer is that for the real URL.
#[tokio::test]
async fn no_client_gets_an_error_or_chooses_its_cache() {
    let [one, ..] = three(&[]).await;
    let target = "/pick/real/path";
    let expected = pick(&one, target, "")
        .await
        .header("x-edge-cache-hosts")
        .map(str::to_string);
    let evil = "x-edge-cache-hosts: 192.0.2.66:80\r\nx-edge-cache-host: 192.0.2.66:80\r\nx-original-uri: /a\r\n\
        x-original-uri: /b\r\nx-forwarded-uri: /c\r\n";
    let long_header = format!("x-long: {}\r\n", "y".repeat(60_000));
    for headers in [
        evil,
        "authorization: Bearer nonsense\r\n",
        "range: bytes=0-0\r\n",
        "range: nonsense\r\n",
        "expect: 100-continue\r\n",
        "expect: nonsense\r\n",
        "if-none-match: *\r\nif-match: \"x\"\r\nif-modified-since: now\r\n",
        "origin: https://evil.example\r\nsec-fetch-site: cross-site\r\n",
        "accept: nothing/at-all\r\naccept-encoding: nonsense\r\n",
        "content-length: 5\r\n\r\nhello",
        &long_header,
    ] {
        let answer = pick(
            &one,
            &format!("{target}?key=%2Fevil&header=x-original-uri"),
            headers,
        )
        .await;
        assert_eq!(answer.status, 200, "{headers:.60}: {answer:?}");
        assert_eq!(
            answer.header("x-edge-cache-hosts"),
            expected.as_deref(),
            "{headers:.60}"
        );
    }
    let many = format!("{evil}{}", "x-many: 1\r\n".repeat(200));
    let answer = pick(&one, target, &many).await;
    assert_eq!(
        answer.header("x-edge-cache-hosts"),
        expected.as_deref(),
        "{answer:?}"
    );
    for method in [
        "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "X",
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: proxy\r\n\r\n");
        let answer = exchange(one.traffic.unwrap(), request.as_bytes())
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        assert_eq!(
            answer.header("x-edge-cache-hosts"),
            expected.as_deref(),
            "{method}"
        );
    }
    for path in [
        "/%ff%fe",
        "/%",
        "/%zz",
        "//",
        "/..//..",
        "/a b".replace(' ', "%20").as_str(),
        "/\u{e9}\u{4e2d}",
        "?",
        "*",
        &format!("/{}", "p".repeat(60_000)),
        "/v3/discovery:endpoints",
    ] {
        let answer = pick(&one, &format!("/pick{path}"), "").await;
        assert_eq!(answer.status, 200, "{path:.60}: {answer:?}");
        assert_eq!(answer.hosts().len(), 3, "{path:.60}");
    }
    // Without a Host, and as HTTP/1.0.
    let old = b"GET /pick/real/path HTTP/1.0\r\n\r\n";
    let answer = exchange(one.traffic.unwrap(), old).await.unwrap();
    assert_eq!(answer.header("x-edge-cache-hosts"), expected.as_deref());
    // The header that the proxy names, and no other.
    let named = "x-original-uri: /real/path?x=1\r\nx-forwarded-uri: /evil\r\n";
    let answer = pick(&one, "/pick?header=x-original-uri", named).await;
    assert_eq!(answer.header("x-edge-cache-hosts"), expected.as_deref());
    let answer = pick(&one, "/other", "").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn without_an_eligible_cache_the_fallback_is_answered() {
    let args = ["--traffic-fallback", "192.0.2.1:8080"];
    let one = start(1, cache_of(1), None, &args).await;
    let answer = until("a whole table", SOON, async || {
        let answer = pick(&one, "/pick/a", "").await;
        if answer.status == 200 {
            Ok(answer)
        } else {
            Err(answer)
        }
    })
    .await;
    assert_eq!(answer.header("x-edge-cache-fallback"), Some("true"));
    assert_eq!(answer.hosts(), ["192.0.2.1:8080"]);
    assert_eq!(answer.header("x-edge-cache-host"), Some("192.0.2.1:8080"));
    decide(&one, Method::POST, 1).await;
    expect_caches(&one, 1).await;
    let answer = pick(&one, "/pick/a", "").await;
    assert_eq!(
        (answer.header("x-edge-cache-fallback"), answer.hosts()),
        (None, vec!["127.0.0.1:80"])
    );
    let fallback = r#"edge_cache_traffic_picks_total{result="fallback"}"#;
    assert!(metric(&one, fallback).await >= 1.0);
}

#[tokio::test]
async fn an_agent_that_has_not_joined_picks_nothing() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let seed = silent.local_addr().unwrap().to_string();
    let args = [
        "--gossip-join-timeout",
        "1m",
        "--traffic-listen",
        "127.0.0.1:0",
        "--seed",
        &seed,
    ];
    let one = Node::start(1, &args).await.unwrap();
    assert_eq!(pick(&one, "/pick/a", "").await.status, 503);
    let body = r#"{"resource_names":["edge-cache"]}"#;
    let request = format!(
        "POST /v3/discovery:endpoints HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(one.traffic.unwrap(), request.as_bytes()).await;
    assert_eq!(answer.unwrap().status, 503);
}

/// The socket's address counts, and no header.
#[tokio::test]
async fn only_clients_of_the_allowed_networks_may_ask() {
    let args = ["--traffic-allow", "127.0.0.2,10.0.0.0/8"];
    let one = start(1, cache_of(1), None, &args).await;
    let listener = one.traffic.unwrap();
    let request = b"GET /pick/a HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 10.1.2.3\r\n\r\n";
    assert_eq!(exchange(listener, request).await, None);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(listener).await.unwrap();
    assert!(exchange_on(stream, request).await.is_some());
    let refused = r#"edge_cache_http_connections_refused_total{listener="traffic"}"#;
    assert_eq!(metric(&one, refused).await, 1.0);
}

/// An agent that loses most members at once takes itself for cut off.
#[tokio::test]
async fn an_agent_that_is_cut_off_keeps_its_last_table() {
    let nodes = three(&[]).await;
    let expected = pick(&nodes[0], "/pick/a", "").await;
    let held = "edge_cache_traffic_table_held";
    for node in &nodes[1..] {
        node.signal(Signal::STOP);
    }
    until("the table is held", SOON, || async {
        let held = metric(&nodes[0], held).await;
        if held == 1.0 { Ok(()) } else { Err(held) }
    })
    .await;
    assert!(nodes[0].peer_ids().await.is_empty());
    assert_eq!(
        pick(&nodes[0], "/pick/a", "").await.hosts(),
        expected.hosts()
    );
    assert_eq!(
        metric(&nodes[0], "edge_cache_routing_candidates").await,
        1.0
    );
    nodes[0]
        .log_handle()
        .expect("more than half of the members failed at once", SOON)
        .await;
    for node in &nodes[1..] {
        node.signal(Signal::CONT);
    }
    until("the table follows the members", SOON, || async {
        let held = metric(&nodes[0], held).await;
        if held == 0.0 { Ok(()) } else { Err(held) }
    })
    .await;
    expect_caches(&nodes[0], 3).await;
    assert_eq!(
        pick(&nodes[0], "/pick/a", "").await.hosts(),
        expected.hosts()
    );
}
