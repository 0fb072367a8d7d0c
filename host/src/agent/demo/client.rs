//! The HTTP API of one agent, as the demo uses it.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde::Deserialize;

use super::DemoError;
use crate::gossip::PeerInfo;
use crate::labels::Labels;
use crate::{NodeCapacity, text};

/// How long an agent may take to answer a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Talks to one agent about its own node.
#[derive(Debug)]
pub(super) struct Client {
    node_id: u64,
    address: SocketAddr,
    http: reqwest::Client,
}

impl Client {
    pub(super) fn new(node_id: u64, address: SocketAddr) -> Result<Self, DemoError> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER_WITHIN)
            .no_proxy()
            // It speaks plainly, and must not fail on a machine without certificates.
            .tls_certs_only([])
            .build()
            .map_err(|error| DemoError::System {
                action: "make an HTTP client",
                reason: chain(&error),
            })?;
        Ok(Self {
            node_id,
            address,
            http,
        })
    }

    /// Enables the agent's own node.
    pub(super) async fn enable(&self, capacity: &NodeCapacity) -> Result<(), DemoError> {
        let body = serde_json::json!({ "capacity": capacity });
        let request = self.http.post(self.node_url()).json(&body);
        self.send("POST edge-cache", request).await.map(drop)
    }

    /// Disables the agent's own node.
    pub(super) async fn disable(&self) -> Result<(), DemoError> {
        let request = self.http.delete(self.node_url());
        self.send("DELETE edge-cache", request).await.map(drop)
    }

    /// The labels of the peers that the agent sees.
    pub(super) async fn peers(&self) -> Result<BTreeMap<u64, Labels>, DemoError> {
        const NAME: &str = "GET gossip/peers";
        let url = format!("http://{}/api/v1/cluster/gossip/peers", self.address);
        let response = self.send(NAME, self.http.get(url)).await?;
        let peers: Vec<PeerInfo> = response
            .json()
            .await
            .map_err(|error| self.unanswered(NAME, &chain(&error)))?;
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
        const NAME: &str = "GET edge-cache/route";
        let url = format!("http://{}/api/v1/edge-cache/route?key={key}", self.address);
        let response = self.send(NAME, self.http.get(url)).await?;
        let routed: Routed = response
            .json()
            .await
            .map_err(|error| self.unanswered(NAME, &chain(&error)))?;
        Ok(routed.nodes.iter().map(|replica| replica.node_id).collect())
    }

    fn node_url(&self) -> String {
        format!(
            "http://{}/api/v1/nodes/{}/edge-cache",
            self.address, self.node_id
        )
    }

    async fn send(
        &self,
        name: &'static str,
        request: RequestBuilder,
    ) -> Result<Response, DemoError> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unanswered(name, &chain(&error.without_url())))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        Err(self.unanswered(name, &format!("{status} {body}")))
    }

    fn unanswered(&self, request: &'static str, reason: &str) -> DemoError {
        DemoError::Request {
            node_id: self.node_id,
            request,
            reason: text::clean(reason, text::ERROR_BYTES_MAX),
        }
    }
}

/// An error and its sources: reqwest's own text leaves out what the system said.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
