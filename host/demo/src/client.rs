//! The HTTP requests of the demo.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use edge_cache_core::labels::Labels;
use edge_cache_host::NodeCapacity;
use edge_cache_host::gossip::PeerInfo;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::DemoError;

/// The time limit of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one agent, for the agent's own node.
#[derive(Debug)]
pub(super) struct Client {
    node_id: u64,
    address: SocketAddr,
    http: reqwest::Client,
}

impl Client {
    pub(super) fn new(node_id: u64, address: SocketAddr) -> Result<Self, DemoError> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            // Must not fail on a machine without certificates.
            .tls_certs_only([])
            .build()
            .map_err(|error| DemoError::System {
                action: "create an HTTP client",
                reason: error.to_string(),
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
        let request = self.request(Method::POST, &self.node_path());
        self.send(request.json(&body)).await.map(drop)
    }

    /// Disables the agent's own node.
    pub(super) async fn disable(&self) -> Result<(), DemoError> {
        let request = self.request(Method::DELETE, &self.node_path());
        self.send(request).await.map(drop)
    }

    /// Returns the labels of the peers that the agent sees.
    pub(super) async fn peers(&self) -> Result<BTreeMap<u64, Labels>, DemoError> {
        let request = self.request(Method::GET, "/api/v1/cluster/gossip/peers");
        let peers: Vec<PeerInfo> = self.read(request).await?;
        Ok(peers
            .into_iter()
            .map(|peer| (peer.node_id, peer.labels))
            .collect())
    }

    /// Returns the nodes that serve a key, best first.
    pub(super) async fn route(&self, key: &str) -> Result<Vec<u64>, DemoError> {
        #[derive(Deserialize)]
        struct Route {
            nodes: Vec<Replica>,
        }
        #[derive(Deserialize)]
        struct Replica {
            node_id: u64,
        }
        let path = format!("/api/v1/edge-cache/route?key={key}");
        let route: Route = self.read(self.request(Method::GET, &path)).await?;
        Ok(route.nodes.iter().map(|replica| replica.node_id).collect())
    }

    fn node_path(&self) -> String {
        format!("/api/v1/nodes/{}/edge-cache", self.node_id)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http.request(method, url)
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, DemoError> {
        let response = self.send(request).await?;
        response.json().await.map_err(|error| self.failed(&error))
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, DemoError> {
        let response = request.send().await;
        let response = response.and_then(reqwest::Response::error_for_status);
        response.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &reqwest::Error) -> DemoError {
        DemoError::Request {
            node_id: self.node_id,
            reason: edge_cache_core::text::error_chain(error),
        }
    }
}
