//! The client: one method for each operation of the API.

use std::time::Duration;

use edge_cache_api::{
    EdgeCacheStats, Health, MemberList, MembersQuery, NodeCapacity, NodeDetails, NodeId, NodeList,
    PeerInfo, Plugin, PluginLog, Registration, Replacement, ReplacementReport, Route, RouteQuery,
    SwapQuery, headers, paths,
};
use reqwest::header::{CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::{Method, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::{self, Call, ChangeOutcome};
use crate::config::ClientConfig;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::events::EventStream;
use crate::follower::EventFollower;

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
        self.get(paths::NODES)
    }

    /// Shows one node.
    pub fn node(&self, node_id: NodeId) -> Call<'_, NodeDetails> {
        self.get(&paths::node(node_id))
    }

    /// Enables a node; its former capacity is replaced.
    pub fn enable(&self, node_id: NodeId, capacity: NodeCapacity) -> Call<'_, ChangeOutcome> {
        let request = self.request(Method::POST, &paths::node(node_id));
        let request = with_json(request, &Registration { capacity });
        Call::new(&self.connection, request, call::change)
    }

    /// Disables a node.
    pub fn disable(&self, node_id: NodeId) -> Call<'_, ChangeOutcome> {
        let request = self.request(Method::DELETE, &paths::node(node_id));
        Call::new(&self.connection, request, call::change)
    }

    /// Replaces all nodes. With `if_match`, the ETag of a list, only if the list has not changed since.
    pub fn replace_nodes(
        &self,
        replacement: &Replacement,
        if_match: Option<&str>,
    ) -> Call<'_, ReplacementReport> {
        let request = self.request(Method::PUT, paths::NODES);
        let mut request = with_json(request, replacement);
        if let Some(tag) = if_match.and_then(|tag| HeaderValue::from_str(tag).ok()) {
            request.headers_mut().insert(IF_MATCH, tag);
        }
        Call::new(&self.connection, request, call::json).with_extra_time(REPLACE_TIME)
    }

    /// Shows the counters of a node.
    pub fn stats(&self, node_id: NodeId) -> Call<'_, EdgeCacheStats> {
        self.get(&paths::node_stats(node_id))
    }

    /// Adds to the counters of a node and returns the totals.
    pub fn add_stats(&self, node_id: NodeId, delta: EdgeCacheStats) -> Call<'_, EdgeCacheStats> {
        let request = self.request(Method::POST, &paths::node_stats(node_id));
        let request = with_json(request, &delta);
        Call::new(&self.connection, request, call::json)
    }

    /// Returns the nodes that serve a key, best first.
    pub fn route(&self, query: &RouteQuery) -> Call<'_, Route> {
        let replicas = query.replicas.map(|replicas| replicas.to_string());
        self.get(paths::ROUTE)
            .with_query("key", Some(&query.key))
            .with_query("replicas", replicas.as_deref())
            .with_query("geo", query.geo.as_deref())
    }

    /// Lists the members of the cluster.
    pub fn members(&self, query: MembersQuery) -> Call<'_, MemberList> {
        let status = query.status.map(<&str>::from);
        self.get(paths::MEMBERS).with_query("status", status)
    }

    /// Lists the live peers, as ZLayer shows them.
    pub fn peers(&self) -> Call<'_, Vec<PeerInfo>> {
        self.get(paths::PEERS)
    }

    /// Shows the plugin.
    pub fn plugin(&self) -> Call<'_, Plugin> {
        self.get(paths::PLUGIN)
    }

    /// Shows the latest lines of the plugin's log.
    pub fn plugin_logs(&self) -> Call<'_, PluginLog> {
        self.get(paths::PLUGIN_LOGS)
    }

    /// Replaces the plugin until the agent ends.
    pub fn swap_plugin(&self, plugin: Vec<u8>, query: SwapQuery) -> Call<'_, Plugin> {
        let request = self.request(Method::PUT, paths::PLUGIN);
        let request = with_body(request, headers::WASM, plugin);
        Call::new(&self.connection, request, call::json)
            .with_query("sha256", query.sha256.as_deref())
            .with_extra_time(COMPILE_TIME)
    }

    /// Lets the agent leave the cluster and end.
    pub fn leave(&self) -> Call<'_, ()> {
        let request = self.request(Method::POST, paths::LEAVE);
        Call::new(&self.connection, request, |_| Ok(()))
    }

    /// Returns the liveness. For an agent that is not alive the error is [`ClientError::Refused`] with 503.
    pub fn livez(&self) -> Call<'_, Health> {
        self.get(paths::LIVEZ)
    }

    /// Returns the readiness. For an agent that is not ready the error is [`ClientError::Refused`] with 503.
    pub fn readyz(&self) -> Call<'_, Health> {
        self.get(paths::READYZ)
    }

    /// Returns the metrics in Prometheus' text format.
    pub fn metrics(&self) -> Call<'_, String> {
        let request = self.request(Method::GET, paths::METRICS);
        Call::new(&self.connection, request, |response| {
            Ok(String::from_utf8_lossy(&response.body).into_owned())
        })
    }

    /// Returns the OpenAPI document.
    pub fn openapi(&self) -> Call<'_, Value> {
        self.get(paths::OPENAPI)
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

    fn get<T: DeserializeOwned>(&self, path: &str) -> Call<'_, T> {
        Call::new(
            &self.connection,
            self.request(Method::GET, path),
            call::json,
        )
    }

    fn request(&self, method: Method, path: &str) -> Request {
        Request::new(method, self.connection.url(path))
    }
}

fn with_json(request: Request, body: &impl Serialize) -> Request {
    // The types of the API hold texts, numbers and lists: nothing that JSON cannot express.
    let body = serde_json::to_vec(body).unwrap_or_default();
    with_body(request, headers::JSON, body)
}

fn with_body(mut request: Request, media_type: &'static str, body: Vec<u8>) -> Request {
    let media_type = HeaderValue::from_static(media_type);
    request.headers_mut().insert(CONTENT_TYPE, media_type);
    *request.body_mut() = Some(body.into());
    request
}
