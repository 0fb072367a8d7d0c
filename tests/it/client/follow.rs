//! Events, followed from the command line.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use edge_cache_tests::agent::{Agent, binary};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::canned::{self, Canned};
use super::{ask, json_of};
use crate::gossip_node::Node;

/// Maximum time for an event, also over a restart of the agent.
const EVENT_WITHIN: Duration = Duration::from_secs(30);

/// A process that follows events. It is killed when this is dropped.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(at: SocketAddr, format: &str) -> Self {
        let mut child = Command::new(binary().unwrap())
            .args(["events", "--format", format, "--addr", &at.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(EVENT_WITHIN, self.lines.next_line()).await;
        line.expect("no event came").unwrap().expect("it ended")
    }

    /// An object a line.
    async fn event(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// The first event with this name, and the node that it is about.
    async fn about(&mut self, name: &str) -> u64 {
        loop {
            let event = self.event().await;
            if event["event"] == name {
                return event["data"]["node_id"].as_u64().unwrap();
            }
        }
    }

    /// The next line without its time.
    async fn content(&mut self) -> String {
        let line = self.line().await;
        line.split_once("Z  ").unwrap().1.to_string()
    }

    /// Ends it without any warning, and answers what it said on standard error.
    async fn complaints(mut self) -> String {
        self.child.start_kill().unwrap();
        let mut text = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut text).await.unwrap();
        text
    }
}

async fn enable(at: SocketAddr, node_id: u64) {
    let command = format!("enable {node_id} --cpu-cores 1 --ram-mib 2 --disk-mib 3");
    json_of(at, &command).await;
}

#[tokio::test]
async fn events_are_followed_over_a_restart_of_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let data = ["--data-dir", directory.path().to_str().unwrap()];
    let node = Node::start(1, &data).await.unwrap();
    let at = node.http;
    let mut follower = Follower::start(at, "json");
    let first = follower.event().await;
    assert_eq!(first["event"], "snapshot", "{first}");
    assert_eq!(first["data"], json!({"nodes": [], "peers": []}));
    assert!(first["id"].is_string(), "{first}");
    assert_eq!(follower.event().await["event"], "health");
    enable(at, 7).await;
    assert_eq!(follower.about("enabled").await, 7);

    node.signal(Signal::KILL);
    assert_eq!(node.ended().await, None);
    let listen = at.to_string();
    let again = [&data[..], &["--http-listen", &listen]].concat();
    let _node = Node::start(1, &again).await.unwrap();
    let reset = follower.event().await;
    assert_eq!(reset["event"], "snapshot", "{reset}");
    assert_eq!(reset["data"]["nodes"][0]["node_id"], 7, "{reset}");
    // What was said before the restart holds no more.
    let mut health = follower.event().await;
    assert_eq!(health["event"], "health", "{health}");
    while health["data"]["ok"] != true {
        health = follower.event().await;
    }
    enable(at, 8).await;
    assert_eq!(follower.about("enabled").await, 8);
    let said = follower.complaints().await;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.trim_end().ends_with("; trying again"), "{said}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_it_was() {
    let server = Canned::new(&[
        canned::events(": hello\n\nid: 5-1\nevent: left\ndata: {\"node_id\":3}\n\nid: 5-2\nev"),
        canned::problem(503, "not yet"),
        canned::events("id: 5-2\nevent: left\ndata: {\"node_id\":4}\n\n"),
        canned::problem(403, "not you"),
    ])
    .await;
    let mut follower = Follower::start(server.at, "table");
    assert_eq!(follower.content().await, "left      peer 3");
    assert_eq!(follower.content().await, "left      peer 4");
    let status = timeout(EVENT_WITHIN, follower.child.wait()).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(4), "refused for good");
    let named: Vec<Option<String>> = server
        .heads()
        .iter()
        .map(|head| {
            let mut lines = head.lines();
            let id = lines.find_map(|line| line.strip_prefix("last-event-id: "));
            id.map(str::to_string)
        })
        .collect();
    let id = |id: &str| Some(id.to_string());
    assert_eq!(named, [None, id("5-1"), id("5-1"), id("5-2")]);
}

#[tokio::test]
async fn a_follower_exits_when_its_output_is_closed() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let mut follower = Follower::start(agent.http, "table");
    assert_eq!(follower.content().await, "snapshot  nodes []  peers []");
    let Follower { mut child, lines } = follower;
    drop(lines);
    enable(agent.http, 7).await;
    let status = timeout(EVENT_WITHIN, child.wait()).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(0));
    assert_eq!(ask(agent.http, "node 7").await.code, Some(0));
}
