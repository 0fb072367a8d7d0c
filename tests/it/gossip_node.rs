//! Agents of a cluster as processes: what they see of each other, what they log, and signals.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use edge_cache_tests::agent::{self, Answer, answer, binary, client};
use edge_cache_tests::prometheus::Scrape;
use edge_cache_tests::wait::until;
use reqwest::{Client, Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Maximum time for an agent to become ready, compiling its plugin included.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Maximum time for an agent to exit.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// Warnings, exchanged keys, what concerns HTTP, and every change of who is there.
const LOG: &str = "warn,edge_cache_gossip::topology=debug,edge_cache_gossip::pool=info,\
    edge_cache_agent::http=info,edge_cache_audit=info";
/// Length of each agent's log that a failed test shows.
const LINES_SHOWN: usize = 40;

/// A running agent with gossip. It is killed when this is dropped.
pub(crate) struct Node {
    pub(crate) id: u64,
    /// Address of its HTTP API.
    pub(crate) http: SocketAddr,
    /// Address of its health listener, if it has one.
    pub(crate) health: Option<SocketAddr>,
    /// Address of its traffic listener, if it has one.
    pub(crate) traffic: Option<SocketAddr>,
    /// Address of its gossip socket.
    pub(crate) gossip: SocketAddr,
    child: Child,
    client: Client,
    log: Log,
}

/// The lines on standard error so far.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Node {
    /// Starts an agent that gossips on a free port of loopback, and waits until it is ready.
    pub(crate) async fn start(id: u64, args: &[&str]) -> Result<Self> {
        let listen = ["--gossip-listen", "127.0.0.1:0"];
        Self::start_with(&[], id, &[&listen, args].concat()).await
    }

    /// Starts an agent through another program, which must become the agent. HTTP is served on loopback,
    /// unless the arguments name another address.
    pub(crate) async fn start_with(launcher: &[&str], id: u64, args: &[&str]) -> Result<Self> {
        let binary = binary()?.to_str().context("the path is not text")?;
        let loopback: &[&str] = if args.contains(&"--http-listen") {
            &[]
        } else {
            &["--http-listen", "127.0.0.1:0"]
        };
        let mut words = launcher.iter().copied().chain([binary]);
        let mut child = agent::command(words.next().unwrap_or(binary))
            .args(words)
            .args(["run", "--node-id", &id.to_string()])
            .args(loopback)
            .args(args)
            .env("RUST_LOG", LOG)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let log = Log::default();
        tokio::spawn(log.clone().follow(child.stderr.take().context("no pipe")?));
        let stdout = child.stdout.take().context("no pipe")?;
        let addresses = timeout(READY_WITHIN, addresses(stdout))
            .await
            .context("it did not become ready")?
            .with_context(|| log.read())?;
        let address = |name: &str| addresses.get(name).copied();
        Ok(Self {
            id,
            http: address("http").context("no HTTP")?,
            health: address("health"),
            traffic: address("traffic"),
            gossip: address("gossip").context("gossip is off")?,
            child,
            client: client(&[])?,
            log,
        })
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("http://{}{path}", self.http);
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await.unwrap()
    }

    /// Returns the number of gossip datagrams that the agent received.
    pub(crate) async fn datagrams_received(&self) -> u64 {
        metric(
            self,
            r#"edge_cache_gossip_datagrams_total{direction="received"}"#,
        )
        .await as u64
    }

    /// Returns `true` if the agent's liveness check succeeds.
    pub(crate) async fn livez(&self) -> bool {
        let answer = self.ask(Method::GET, "/health/livez", None).await;
        answer.status == StatusCode::OK
    }

    /// The peers as they are listed: number and labels.
    pub(crate) async fn peers(&self) -> Vec<(u64, Value)> {
        let answer = self
            .ask(Method::GET, "/api/v1/cluster/gossip/peers", None)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let peers = answer.body.as_array().unwrap();
        peers
            .iter()
            .map(|peer| (peer["node_id"].as_u64().unwrap(), peer["labels"].clone()))
            .collect()
    }

    pub(crate) async fn peer_ids(&self) -> Vec<u64> {
        let peers = self.peers().await;
        peers.into_iter().map(|(id, _)| id).collect()
    }

    /// Enables this node, or changes its capacity: what [`enabled`] shows.
    pub(crate) async fn enable(&self, cores: u64) {
        let path = format!("/api/v1/nodes/{}/edge-cache", self.id);
        let capacity = json!({"cpu_cores": cores, "ram_mib": 1, "disk_mib": 2});
        let body = json!({ "capacity": capacity });
        let answer = self.ask(Method::POST, &path, Some(&body)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }

    /// Disables this node.
    pub(crate) async fn disable(&self) {
        let path = format!("/api/v1/nodes/{}/edge-cache", self.id);
        let answer = self.ask(Method::DELETE, &path, None).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end after a signal, and answers its exit status.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        let status = timeout(ENDED_WITHIN, self.child.wait()).await;
        status.expect("it runs on").unwrap().code()
    }

    /// Returns its log so far.
    pub(crate) fn log(&self) -> String {
        self.log.read()
    }

    /// Returns a handle of its log, which is valid after its exit.
    pub(crate) fn log_handle(&self) -> Log {
        self.log.clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log
                .lines()
                .filter(|line| !line.contains("topology changed"))
                .collect();
            let shown = lines.len().saturating_sub(LINES_SHOWN);
            println!("node {}:\n{}", self.id, lines[shown..].join("\n"));
        }
    }
}

impl Log {
    async fn follow(self, stderr: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(line);
        }
    }

    /// Waits until a line holds this.
    pub(crate) async fn expect(&self, said: &str, within: Duration) {
        until(said, within, || async {
            let log = self.read();
            if log.contains(said) { Ok(()) } else { Err(log) }
        })
        .await;
    }

    /// All lines so far.
    pub(crate) fn read(&self) -> String {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.join("\n")
    }
}

/// Returns the labels of a node that was enabled with this number of cores.
pub(crate) fn enabled(cores: u64) -> Value {
    json!({
        "edge_cache": "true",
        "edge_cache_cpu": cores.to_string(),
        "edge_cache_ram_mib": "1",
        "edge_cache_disk_mib": "2",
    })
}

/// Returns a series of the agent's metrics.
pub(crate) async fn metric(node: &Node, series: &str) -> f64 {
    let answer = node.ask(Method::GET, "/metrics", None).await;
    let scrape = Scrape::parse(answer.body.as_str().unwrap()).unwrap();
    scrape.value(series)
}

/// Waits until each of these lists exactly all the others.
pub(crate) async fn meet(nodes: &[&Node], within: Duration) {
    for node in nodes {
        let others: Vec<u64> = nodes
            .iter()
            .map(|other| other.id)
            .filter(|id| *id != node.id)
            .collect();
        expect_peers(node, &others, within).await;
    }
}

/// Waits until the agent lists exactly these.
pub(crate) async fn expect_peers(by: &Node, expected: &[u64], within: Duration) {
    let what = format!("peers {expected:?} of node {}", by.id);
    until(&what, within, || async {
        let seen = by.peer_ids().await;
        if seen == expected { Ok(()) } else { Err(seen) }
    })
    .await;
}

/// Waits until the agent sees these labels of a peer.
pub(crate) async fn expect_labels(by: &Node, of: u64, expected: &Value, within: Duration) {
    let what = format!("{expected} of node {of}, seen by node {}", by.id);
    until(&what, within, || async {
        let peers = by.peers().await;
        match peers.iter().find(|(id, _)| *id == of) {
            Some((_, labels)) if labels == expected => Ok(()),
            _ => Err(peers),
        }
    })
    .await;
}

/// Returns the queued bytes and the dropped datagrams of a socket.
pub(crate) fn unread(address: SocketAddr) -> (u64, u64) {
    let SocketAddr::V4(v4) = address else {
        panic!("an address of loopback is one of version 4")
    };
    let ip = u32::from_ne_bytes(v4.ip().octets());
    let local = format!("{ip:08X}:{:04X}", v4.port());
    let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
    let columns: Vec<&str> = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|columns| columns[1] == local)
        .unwrap_or_default();
    match columns[..] {
        [_, _, _, _, queues, .., dropped] => {
            let (_, waiting) = queues.split_once(':').unwrap();
            let waiting = u64::from_str_radix(waiting, 16).unwrap();
            (waiting, dropped.parse().unwrap())
        }
        // A fresh socket has an empty queue.
        _ => (0, 0),
    }
}

/// A new key of gossip, as an operator makes one.
pub(crate) async fn keygen() -> String {
    let output = Command::new(binary().unwrap())
        .args(["gossip", "keygen"])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Reads the lines that an agent prints when it is ready, and all that follows. Returns the addresses by name.
async fn addresses(stdout: tokio::process::ChildStdout) -> Result<BTreeMap<String, SocketAddr>> {
    let mut lines = BufReader::new(stdout).lines();
    let mut addresses = BTreeMap::new();
    while let Some(line) = lines.next_line().await? {
        let Some((name, address)) = line.split_once('=') else {
            continue;
        };
        addresses.insert(name.to_string(), address.parse()?);
        if name == "http" {
            // The pipe must be read on, or the agent could not write to it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(addresses);
        }
    }
    bail!("it ended before it was ready")
}
