//! The client: one method for each operation of the API.

use std::time::Duration;

use edge_cache_api::paths;
use edge_cache_api::{
    EdgeCacheStats, Health, MemberList, MembersQuery, NodeCapacity, NodeDetails, NodeId, NodeList,
    PeerInfo, Plugin, PluginLog, Registration, Replacement, ReplacementReport, Route, RouteQuery,
    SwapQuery,
};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;

use crate::call::{Call, ChangeOutcome};
use crate::config::ClientConfig;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::events::EventStream;
use crate::follower::EventFollower;
use crate::request::{Request, RequestBody};

/// The time that an agent may need on top of the timeout to compile a plugin.
const COMPILE_TIME: Duration = Duration::from_secs(60);
/// The time that an agent may need on top of the timeout to replace all nodes.
const REPLACE_TIME: Duration = Duration::from_secs(60);

/// A client of one agent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Creates a client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ClientError::PlaintextToken`], [`ClientError::NoCa`] or [`ClientError::Setup`].
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        Ok(Self {
            connection: Connection::new(config)?,
        })
    }

    /// Lists the eligible nodes.
    pub fn nodes(&self) -> Call<'_, NodeList> {
        Call::json(&self.connection, Request::get(paths::NODES))
    }

    /// Shows one node.
    pub fn node(&self, node_id: NodeId) -> Call<'_, NodeDetails> {
        Call::json(&self.connection, Request::get(paths::node(node_id)))
    }

    /// Enables a node; its former capacity is replaced.
    pub fn enable(&self, node_id: NodeId, capacity: NodeCapacity) -> Call<'_, ChangeOutcome> {
        let request = Request::new(Method::POST, paths::node(node_id));
        let request = request.json(&Registration { capacity });
        Call::change(&self.connection, request)
    }

    /// Disables a node.
    pub fn disable(&self, node_id: NodeId) -> Call<'_, ChangeOutcome> {
        let request = Request::new(Method::DELETE, paths::node(node_id));
        Call::change(&self.connection, request)
    }

    /// Replaces all nodes. With `if_match`, the ETag of a list, only if the list has not changed since.
    pub fn replace_nodes(
        &self,
        replacement: &Replacement,
        if_match: Option<&str>,
    ) -> Call<'_, ReplacementReport> {
        let mut request = Request::new(Method::PUT, paths::NODES).json(replacement);
        request.extra_time = REPLACE_TIME;
        request.if_match = if_match.and_then(|tag| HeaderValue::from_str(tag).ok());
        Call::json(&self.connection, request)
    }

    /// Shows the counters of a node.
    pub fn stats(&self, node_id: NodeId) -> Call<'_, EdgeCacheStats> {
        Call::json(&self.connection, Request::get(paths::node_stats(node_id)))
    }

    /// Adds to the counters of a node and returns the totals.
    pub fn add_stats(&self, node_id: NodeId, delta: EdgeCacheStats) -> Call<'_, EdgeCacheStats> {
        let request = Request::new(Method::POST, paths::node_stats(node_id)).json(&delta);
        Call::json(&self.connection, request)
    }

    /// Returns the nodes that serve a key, best first.
    pub fn route(&self, query: &RouteQuery) -> Call<'_, Route> {
        let request = Request::get(paths::ROUTE)
            .query("key", Some(&query.key))
            .query("replicas", query.replicas)
            .query("geo", query.geo.as_deref());
        Call::json(&self.connection, request)
    }

    /// Lists the members of the cluster.
    pub fn members(&self, query: MembersQuery) -> Call<'_, MemberList> {
        let request = Request::get(paths::MEMBERS).query("status", query.status);
        Call::json(&self.connection, request)
    }

    /// Lists the live peers, as ZLayer shows them.
    pub fn peers(&self) -> Call<'_, Vec<PeerInfo>> {
        Call::json(&self.connection, Request::get(paths::PEERS))
    }

    /// Shows the plugin.
    pub fn plugin(&self) -> Call<'_, Plugin> {
        Call::json(&self.connection, Request::get(paths::PLUGIN))
    }

    /// Shows the latest lines of the plugin's log.
    pub fn plugin_logs(&self) -> Call<'_, PluginLog> {
        Call::json(&self.connection, Request::get(paths::PLUGIN_LOGS))
    }

    /// Replaces the plugin until the agent ends.
    pub fn swap_plugin(&self, plugin: Vec<u8>, query: SwapQuery) -> Call<'_, Plugin> {
        let mut request = Request::new(Method::PUT, paths::PLUGIN).query("sha256", query.sha256);
        request.body = Some(RequestBody::Wasm(plugin.into()));
        request.extra_time = COMPILE_TIME;
        Call::json(&self.connection, request)
    }

    /// Lets the agent leave the cluster and end.
    pub fn leave(&self) -> Call<'_, ()> {
        Call::empty(&self.connection, Request::new(Method::POST, paths::LEAVE))
    }

    /// Returns the liveness. For an agent that is not alive the error is [`ClientError::Refused`] with 503.
    pub fn livez(&self) -> Call<'_, Health> {
        Call::json(&self.connection, Request::get(paths::LIVEZ))
    }

    /// Returns the readiness. For an agent that is not ready the error is [`ClientError::Refused`] with 503.
    pub fn readyz(&self) -> Call<'_, Health> {
        Call::json(&self.connection, Request::get(paths::READYZ))
    }

    /// Returns the metrics in Prometheus' text format.
    pub fn metrics(&self) -> Call<'_, String> {
        Call::text(&self.connection, Request::get(paths::METRICS))
    }

    /// Returns the OpenAPI document.
    pub fn openapi(&self) -> Call<'_, Value> {
        Call::json(&self.connection, Request::get(paths::OPENAPI))
    }

    /// Opens the event stream, after the event `last_event_id` where one is given.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoResponse`] or [`ClientError::Refused`].
    pub async fn events(&self, last_event_id: Option<&str>) -> Result<EventStream, ClientError> {
        EventStream::open(&self.connection, last_event_id).await
    }

    /// Returns a follower of the event stream that reconnects.
    #[must_use]
    pub fn follow_events(&self) -> EventFollower {
        EventFollower::new(self.connection.clone())
    }
}
