//! The HTTP requests of the demo.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use edge_cache_client::{Address, Client as ApiClient, ClientConfig, ClientError, RouteQuery};
use edge_cache_core::labels::Labels;
use edge_cache_host::NodeCapacity;

use super::error::DemoError;

/// The time limit of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one agent, for the agent's own node.
#[derive(Debug)]
pub(super) struct Client {
    node_id: u64,
    api: ApiClient,
}

impl Client {
    pub(super) fn new(node_id: u64, address: SocketAddr) -> Result<Self, DemoError> {
        let failed = |reason: String| DemoError::System {
            action: "create an HTTP client",
            reason,
        };
        let address = Address::plain(address).map_err(|error| failed(error.to_string()))?;
        let config = ClientConfig {
            timeout: REQUEST_TIMEOUT,
            ..ClientConfig::new(address)
        };
        let api = ApiClient::new(config).map_err(|error| failed(error.to_string()))?;
        Ok(Self { node_id, api })
    }

    /// Enables the agent's own node.
    pub(super) async fn enable(&self, capacity: &NodeCapacity) -> Result<(), DemoError> {
        let call = self.api.enable(self.node_id, capacity.clone());
        call.send()
            .await
            .map(drop)
            .map_err(|error| self.failed(&error))
    }

    /// Disables the agent's own node.
    pub(super) async fn disable(&self) -> Result<(), DemoError> {
        let call = self.api.disable(self.node_id);
        call.send()
            .await
            .map(drop)
            .map_err(|error| self.failed(&error))
    }

    /// Returns the labels of the peers that the agent sees.
    pub(super) async fn peers(&self) -> Result<BTreeMap<u64, Labels>, DemoError> {
        let peers = self.api.peers().send().await;
        let peers = peers.map_err(|error| self.failed(&error))?;
        Ok(peers
            .into_iter()
            .map(|peer| (peer.node_id, peer.labels))
            .collect())
    }

    /// Returns the nodes that serve a key, best first.
    pub(super) async fn route(&self, key: &str) -> Result<Vec<u64>, DemoError> {
        let query = RouteQuery {
            key: key.to_string(),
            ..RouteQuery::default()
        };
        let route = self.api.route(&query).send().await;
        let route = route.map_err(|error| self.failed(&error))?;
        Ok(route.nodes.iter().map(|replica| replica.node_id).collect())
    }

    fn failed(&self, error: &ClientError) -> DemoError {
        DemoError::Request {
            node_id: self.node_id,
            reason: error.to_string(),
        }
    }
}
