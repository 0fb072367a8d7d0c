//! Changes as they happen, followed over HTTP.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::pin::pin;
use std::time::Duration;

use edge_cache_tests::agent::Agent;
use edge_cache_tests::sse::{Event, Events, about};
use edge_cache_tests::wait::until;
use futures_util::{Stream, StreamExt, stream};
use reqwest::Method;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};
use sse_stream::SseByteStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const NODES: &str = "/api/v1/edge-cache/nodes";
/// Time after which a step counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

async fn standalone() -> Agent {
    Agent::start(&["--node-id", "1"]).await.unwrap()
}

async fn enable(agent: &Agent, node_id: u64) {
    let path = format!("/api/v1/nodes/{node_id}/edge-cache");
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    let answer = agent.ask(Method::POST, &path, Some(&body)).await.unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
}

async fn disable(agent: &Agent, node_id: u64) {
    let path = format!("/api/v1/nodes/{node_id}/edge-cache");
    let answer = agent.ask(Method::DELETE, &path, None).await.unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
}

/// The next event but those about the readiness, which may come at any time after the start.
async fn next(events: &mut Events) -> Event {
    loop {
        let event = events.next().await.unwrap().unwrap();
        if event.name != "health" {
            return event;
        }
    }
}

/// The whole state, which the readiness follows.
async fn state(events: &mut Events) -> Event {
    let state = next(events).await;
    assert_eq!(state.name, "snapshot", "{state:?}");
    let health = events.next().await.unwrap().unwrap();
    assert_eq!(health.name, "health");
    assert!(health.data["ok"].is_boolean(), "{health:?}");
    assert_eq!(health.id, state.id);
    state
}

/// The first event with this name about this node; others may come before it.
async fn await_event(events: &mut Events, name: &str, node_id: u64) -> Event {
    loop {
        let event = next(events).await;
        if about(&event) == (name, Some(node_id)) {
            return event;
        }
    }
}

#[tokio::test]
async fn a_subscriber_gets_the_state_and_then_each_change() {
    let agent = standalone().await;
    let mut earlier = Events::follow(agent.http, None).await.unwrap();
    enable(&agent, 5).await;
    // The answer to a change may come before its event.
    await_event(&mut earlier, "enabled", 5).await;
    let mut events = Events::follow(agent.http, None).await.unwrap();
    let first = state(&mut events).await;
    assert_eq!(first.data["nodes"][0]["node_id"], 5, "{first:?}");
    assert_eq!(first.data["peers"], json!([]));

    enable(&agent, 7).await;
    let enabled = next(&mut events).await;
    assert_eq!(about(&enabled), ("enabled", Some(7)));
    let listed = agent.get(NODES).await.unwrap();
    for field in ["capacity", "enabled_at"] {
        assert_eq!(enabled.data[field], listed["nodes"][1][field]);
    }
    disable(&agent, 5).await;
    assert_eq!(about(&next(&mut events).await), ("disabled", Some(5)));

    assert_eq!(agent.terminate().await.unwrap(), Some(0));
    while let Some(event) = events.next().await.unwrap() {
        assert_eq!(event.name, "health", "it ends with the agent");
    }
}

#[tokio::test]
async fn a_proxy_is_told_not_to_buffer_events() {
    let agent = standalone().await;
    let request = agent.request(Method::GET, "/api/v1/events");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn a_client_goes_on_where_it_was() {
    let agent = standalone().await;
    let mut events = Events::follow(agent.http, None).await.unwrap();
    let reset = state(&mut events).await;
    enable(&agent, 1).await;
    let first = next(&mut events).await;
    enable(&agent, 2).await;
    assert_eq!(about(&next(&mut events).await), ("enabled", Some(2)));
    drop(events);
    disable(&agent, 1).await;

    let mut resumed = Events::follow(agent.http, Some(&first.id)).await.unwrap();
    assert_eq!(about(&next(&mut resumed).await), ("enabled", Some(2)));
    let last = next(&mut resumed).await;
    assert_eq!(about(&last), ("disabled", Some(1)));
    let mut from_start = Events::follow(agent.http, Some(&reset.id)).await.unwrap();
    assert_eq!(next(&mut from_start).await, first);

    // Nothing is missing: the next event is the next change.
    let mut up_to_date = Events::follow(agent.http, Some(&last.id)).await.unwrap();
    enable(&agent, 9).await;
    assert_eq!(about(&next(&mut up_to_date).await), ("enabled", Some(9)));

    let start = last.id.split_once('-').unwrap().0;
    for unknown in [
        "1-1",
        "nonsense",
        "",
        &format!("{start}-9999"),
        &format!("{start}-x"),
    ] {
        let mut events = Events::follow(agent.http, Some(unknown)).await.unwrap();
        let event = state(&mut events).await;
        let nodes = event.data["nodes"].as_array().unwrap();
        let ids: Vec<_> = nodes
            .iter()
            .map(|node| node["node_id"].as_u64().unwrap())
            .collect();
        assert_eq!(ids, [2, 9]);
    }
}

#[tokio::test]
async fn peers_come_change_and_go() {
    let gossip = [
        "--gossip-listen",
        "127.0.0.1:0",
        "--gossip-interval",
        "200ms",
    ];
    let one = Agent::start(&[&["--node-id", "1"][..], &gossip].concat())
        .await
        .unwrap();
    let mut events = Events::follow(one.http, None).await.unwrap();
    assert_eq!(
        state(&mut events).await.data,
        json!({"nodes": [], "peers": []})
    );
    let seed = one.gossip.unwrap().to_string();
    let two = Agent::start(&[&["--node-id", "2", "--seed", &seed][..], &gossip].concat())
        .await
        .unwrap();
    let joined = await_event(&mut events, "joined", 2).await;
    assert_eq!(joined.data["labels"], json!({}));
    enable(&one, 2).await;
    loop {
        let updated = await_event(&mut events, "updated", 2).await;
        if updated.data["labels"]["edge_cache"] == "true" {
            assert_eq!(updated.data["labels"]["edge_cache_disk_mib"], "3");
            break;
        }
    }
    assert_eq!(two.terminate().await.unwrap(), Some(0));
    await_event(&mut events, "left", 2).await;
}

#[tokio::test]
async fn so_many_may_follow_and_no_more() {
    const MAX: usize = 64;
    let agent = standalone().await;
    let mut all = Vec::new();
    for _ in 0..MAX {
        let mut events = Events::follow(agent.http, None).await.unwrap();
        state(&mut events).await;
        all.push(events);
    }
    let request = agent.request(Method::GET, "/api/v1/events");
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/too-many-subscribers");

    enable(&agent, 7).await;
    for events in &mut all {
        assert_eq!(about(&next(events).await), ("enabled", Some(7)));
    }
    all.pop();
    until("a place", STUCK, || async {
        Events::follow(agent.http, None)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(agent.terminate().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments() {
    let agent = standalone().await;
    let mut stream = follow_raw(&agent, TcpSocket::new_v4().unwrap()).await;
    let mut read = Vec::new();
    let reading = async {
        while !read.ends_with(b"\n\n: still here\n\n") {
            assert_ne!(
                stream.read_buf(&mut read).await.unwrap(),
                0,
                "the stream ended"
            );
        }
    };
    timeout(STUCK, reading).await.unwrap();
}

/// The bytes that a slow client reads after each change: too few to keep up, and enough not to be taken for gone.
const SLOW_BYTES: u64 = 128 * 1024;

/// Asks for the events by hand: in HTTP 1.0, whose body comes as it is.
async fn follow_raw(agent: &Agent, socket: TcpSocket) -> TcpStream {
    let mut stream = socket.connect(agent.http).await.unwrap();
    let host = agent.http;
    let request = format!("GET /api/v1/events HTTP/1.0\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads a line of the head of a response.
async fn read_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap().trim_end().to_string()
}

/// Reads a connection in chunks until its end.
fn chunks(stream: TcpStream) -> impl Stream<Item = io::Result<Cursor<Vec<u8>>>> {
    stream::unfold(stream, async |mut stream| {
        let mut chunk = Vec::with_capacity(256 * 1024);
        match stream.read_buf(&mut chunk).await {
            Ok(0) => None,
            read => Some((read.map(|_| Cursor::new(chunk)), stream)),
        }
    })
}

/// The nodes and their disk, after these events.
fn follow(state: &mut BTreeMap<u64, Value>, event: &Event) {
    let put = |state: &mut BTreeMap<_, _>, node: &Value| {
        state.insert(
            node["node_id"].as_u64().unwrap(),
            node["capacity"]["disk_mib"].clone(),
        );
    };
    match event.name.as_str() {
        "snapshot" => {
            state.clear();
            let nodes = event.data["nodes"].as_array().unwrap();
            nodes.iter().for_each(|node| put(state, node));
        }
        "enabled" => put(state, &event.data),
        "health" => {}
        "disabled" => drop(state.remove(&event.data["node_id"].as_u64().unwrap())),
        other => panic!("{other}"),
    }
}

/// A client that reads hardly anything while the state changes more often than the agent keeps.
#[tokio::test]
async fn one_that_lags_is_reset_and_ends_at_the_true_state() {
    let agent = standalone().await;
    let socket = TcpSocket::new_v4().unwrap();
    // What the system keeps for the client must not hide that it does not read. Linux sees no progress in windows
    // below the 64 KiB that it sends at once.
    socket.set_recv_buffer_size(128 * 1024).unwrap();
    let mut stream = follow_raw(&agent, socket).await;

    let put = async |disk: u64| {
        let node = |id| json!({"node_id": id, "capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": disk + id}});
        let nodes: Vec<_> = (0..5_000).map(node).collect();
        let answer = agent
            .ask(Method::PUT, NODES, Some(&json!({"nodes": nodes})))
            .await
            .unwrap();
        assert_eq!(answer.body["enabled"], 5_000, "{:?}", answer.status);
    };
    while !read_line(&mut stream).await.is_empty() {}
    let mut begun = Vec::new();
    for round in 0..12 {
        put(round * 10_000).await;
        let mut some = (&mut stream).take(SLOW_BYTES);
        some.read_to_end(&mut begun).await.unwrap();
    }
    let last = json!({"nodes": [{"node_id": 1, "capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 42}}]});
    agent.ask(Method::PUT, NODES, Some(&last)).await.unwrap();

    let (mut state, mut snapshots) = (BTreeMap::new(), 0);
    let truth = BTreeMap::from([(1, json!(42))]);
    let reading = async {
        let begun = stream::iter([Ok(Cursor::new(begun))]);
        let mut events = pin!(SseByteStream::new(begun.chain(chunks(stream))));
        while state != truth {
            let block = events.next().await.expect("the stream ended").unwrap();
            let Some(data) = block.data else {
                continue;
            };
            let event = Event {
                id: block.id.unwrap(),
                name: block.event.unwrap(),
                data: serde_json::from_str(&data).unwrap(),
            };
            snapshots += u32::from(event.name == "snapshot");
            follow(&mut state, &event);
        }
    };
    timeout(STUCK, reading).await.unwrap();
    assert!(
        snapshots >= 2,
        "it lagged: the first snapshot is the beginning"
    );
}
