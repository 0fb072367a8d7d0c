//! The HTTP API of one agent, as the demo uses it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::DemoError;
use crate::client::{Connection, Request};
use edge_cache_core::labels::Labels;
use edge_cache_host::NodeCapacity;
use edge_cache_host::gossip::PeerInfo;

/// How long an agent may take to answer a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Talks to one agent about its own node.
#[derive(Debug)]
pub(super) struct Client {
    node_id: u64,
    agent: Connection,
}

impl Client {
    pub(super) fn new(node_id: u64, address: SocketAddr) -> Result<Self, DemoError> {
        let agent =
            Connection::plain(address, ANSWER_WITHIN).map_err(|error| DemoError::System {
                action: "reach an agent over HTTP",
                reason: error.to_string(),
            })?;
        Ok(Self { node_id, agent })
    }

    /// Enables the agent's own node.
    pub(super) async fn enable(&self, capacity: &NodeCapacity) -> Result<(), DemoError> {
        let body = serde_json::json!({ "capacity": capacity });
        let request = Request::new(Method::POST, self.node_path()).json(body);
        self.ask(&request).await.map(drop)
    }

    /// Disables the agent's own node.
    pub(super) async fn disable(&self) -> Result<(), DemoError> {
        let request = Request::new(Method::DELETE, self.node_path());
        self.ask(&request).await.map(drop)
    }

    /// The labels of the peers that the agent sees.
    pub(super) async fn peers(&self) -> Result<BTreeMap<u64, Labels>, DemoError> {
        let request = Request::get("/api/v1/cluster/gossip/peers");
        let peers: Vec<PeerInfo> = self.read(&request).await?;
        Ok(peers
            .into_iter()
            .map(|peer| (peer.node_id, peer.labels))
            .collect())
    }

    /// The nodes that serve a key, best first.
    pub(super) async fn route(&self, key: &str) -> Result<Vec<u64>, DemoError> {
        #[derive(Deserialize)]
        struct Routed {
            nodes: Vec<Replica>,
        }
        #[derive(Deserialize)]
        struct Replica {
            node_id: u64,
        }
        let request = Request::get("/api/v1/edge-cache/route").query("key", Some(key));
        let routed: Routed = self.read(&request).await?;
        Ok(routed.nodes.iter().map(|replica| replica.node_id).collect())
    }

    fn node_path(&self) -> String {
        format!("/api/v1/nodes/{}/edge-cache", self.node_id)
    }

    async fn read<T: DeserializeOwned>(&self, request: &Request) -> Result<T, DemoError> {
        let body = self.ask(request).await?;
        serde_json::from_slice(&body).map_err(|error| self.unanswered(error.to_string()))
    }

    async fn ask(&self, request: &Request) -> Result<bytes::Bytes, DemoError> {
        let answer = self.agent.ask(request).await;
        let answer = answer.map_err(|error| self.unanswered(error.to_string()))?;
        Ok(answer.body)
    }

    fn unanswered(&self, reason: String) -> DemoError {
        DemoError::Request {
            node_id: self.node_id,
            reason,
        }
    }
}
