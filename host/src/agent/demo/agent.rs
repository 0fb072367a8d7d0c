//! One agent of the demo: a child process and its HTTP API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Response};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{DemoError, READY_WITHIN, STOPPED_WITHIN};
use crate::gossip::PeerInfo;
use crate::labels::Labels;
use crate::{NodeCapacity, text};

/// How long an agent may take to answer a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A running agent. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) node_id: u64,
    pub(super) gossip: SocketAddr,
    pub(super) http: SocketAddr,
    child: Child,
    client: Client,
}

/// That one agent saw the labels of another.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) by: u64,
    pub(super) of: u64,
    pub(super) labels: Labels,
    pub(super) took: Duration,
}

impl Agent {
    /// Starts an agent and waits until it serves.
    pub(super) async fn start(node_id: u64, seed: Option<SocketAddr>) -> Result<Self, DemoError> {
        let failed = |reason: String| DemoError::Start { node_id, reason };
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(program);
        command
            .args(["run", "--node-id", &node_id.to_string()])
            .args(["--cluster-id", &format!("demo-{}", std::process::id())])
            .args(["--gossip-listen", "127.0.0.1:0"])
            .args(["--http-listen", "127.0.0.1:0"])
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        if let Some(seed) = seed {
            command.args(["--seed", &seed.to_string()]);
        }
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let addresses = timeout(READY_WITHIN, addresses(&mut child)).await;
        let (gossip, http) = addresses
            .map_err(|_| {
                failed(format!(
                    "it was not ready within {} s",
                    READY_WITHIN.as_secs()
                ))
            })?
            .map_err(failed)?;
        let client = Client::builder()
            .timeout(ANSWER_WITHIN)
            .no_proxy()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            node_id,
            gossip,
            http,
            child,
            client,
        })
    }

    /// Enables its own node.
    pub(super) async fn enable(&self, capacity: &NodeCapacity) -> Result<(), DemoError> {
        let body = serde_json::json!({ "capacity": capacity });
        let request = self.client.post(self.node_url()).json(&body);
        self.send("POST edge-cache", request).await.map(drop)
    }

    /// Disables its own node.
    pub(super) async fn disable(&self) -> Result<(), DemoError> {
        let request = self.client.delete(self.node_url());
        self.send("DELETE edge-cache", request).await.map(drop)
    }

    /// The labels of the peers that it sees.
    pub(super) async fn peers(&self) -> Result<BTreeMap<u64, Labels>, DemoError> {
        let url = format!("http://{}/api/v1/cluster/gossip/peers", self.http);
        let response = self.send("GET gossip/peers", self.client.get(url)).await?;
        let peers: Vec<PeerInfo> = response
            .json()
            .await
            .map_err(|error| self.unanswered("GET gossip/peers", &error.to_string()))?;
        Ok(peers
            .into_iter()
            .map(|peer| (peer.node_id, peer.labels))
            .collect())
    }

    /// Tells it to stop, and waits until it has with status 0.
    pub(super) async fn stop(mut self) -> Result<(), DemoError> {
        let failed = |reason: String| DemoError::Stop {
            node_id: self.node_id,
            reason,
        };
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw)
            .ok_or_else(|| failed("it had ended before".to_string()))?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|error| failed(error.to_string()))?;
        let status = timeout(STOPPED_WITHIN, self.child.wait())
            .await
            .map_err(|_| failed(format!("it ran on for {} s", STOPPED_WITHIN.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        if status.success() {
            Ok(())
        } else {
            Err(failed(status.to_string()))
        }
    }

    fn node_url(&self) -> String {
        format!(
            "http://{}/api/v1/nodes/{}/edge-cache",
            self.http, self.node_id
        )
    }

    async fn send(
        &self,
        name: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, DemoError> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unanswered(name, &error.to_string()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        Err(self.unanswered(name, &format!("{status} {body}")))
    }

    fn unanswered(&self, request: &str, reason: &str) -> DemoError {
        DemoError::Request {
            node_id: self.node_id,
            request: request.to_string(),
            reason: text::clean(reason, text::ERROR_BYTES_MAX),
        }
    }
}

/// The labels that follow from a capacity.
pub(super) fn labels(capacity: &NodeCapacity) -> Labels {
    let geo = capacity
        .geo
        .clone()
        .map(|geo| ("edge_cache_geo".to_string(), geo));
    [
        ("edge_cache", "true".to_string()),
        ("edge_cache_cpu", capacity.cpu_cores.to_string()),
        ("edge_cache_ram_mib", capacity.ram_mib.to_string()),
        ("edge_cache_disk_mib", capacity.disk_mib.to_string()),
    ]
    .map(|(key, value)| (key.to_string(), value))
    .into_iter()
    .chain(geo)
    .collect()
}

/// Reads the two lines that an agent prints when it is ready.
async fn addresses(child: &mut Child) -> Result<(SocketAddr, SocketAddr), String> {
    let stdout = child.stdout.take().ok_or("it has no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let (mut gossip, mut http) = (None, None);
    loop {
        if let (Some(gossip), Some(http)) = (gossip, http) {
            return Ok((gossip, http));
        }
        let line = lines
            .next_line()
            .await
            .map_err(|error| error.to_string())?
            .ok_or("it ended before it was ready; what it said is above")?;
        match line.split_once('=') {
            Some(("gossip", address)) => gossip = address.parse().ok(),
            Some(("http", address)) => http = address.parse().ok(),
            _ => {}
        }
    }
}
