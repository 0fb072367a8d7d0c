//! The client: one method for each operation of the API, which makes a call of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use edge_cache_api::limits::SNAPSHOT_BYTES_MAX;
use edge_cache_api::{
    Agent, DecisionList, DecisionsQuery, EdgeCacheStats, Health, MemberList, MembersQuery, Node,
    NodeCapacity, NodeChange, NodeDetails, NodeId, NodeList, NodeStats, NodesQuery, PeerInfo,
    Plugin, PluginLog, Registration, ReloadQuery, ReloadReport, Replacement, ReplacementReport,
    Route, RouteQuery, SourceName, SwapQuery, SwapSource, headers, paths,
};
use reqwest::header::{CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Request, StatusCode};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

use crate::config::ClientConfig;
use crate::connection::{Connection, RESPONSE_BYTES_MAX, Response, describe};
use crate::error::ClientError;
use crate::events::{EventFollower, EventStream};

/// The time that an agent may need on top of the timeout to compile a plugin: the largest `limits.compile_deadline`.
const COMPILE_TIME: Duration = Duration::from_secs(600);
/// The time that an agent may need on top of the timeout to take and send a snapshot.
const SNAPSHOT_TIME: Duration = Duration::from_secs(600);
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

    /// Lists a part of the eligible nodes.
    pub fn nodes_page(&self, query: &NodesQuery) -> Call<'_, NodeList> {
        let after = query.after.map(|after| after.to_string());
        let limit = query.limit.map(|limit| limit.to_string());
        self.get(paths::NODES)
            .with_query("geo", query.geo.as_deref())
            .with_query("after", after.as_deref())
            .with_query("limit", limit.as_deref())
    }

    /// Lists the eligible nodes with the ETag of the list, for [`Client::replace_nodes`].
    pub fn tagged_nodes(&self) -> Call<'_, TaggedNodes> {
        let request = self.request(Method::GET, paths::NODES);
        Call::new(&self.connection, request, |response| {
            let tag = response.tag.clone();
            Ok(TaggedNodes {
                nodes: json::<NodeList>(response)?.nodes,
                tag: tag.ok_or_else(|| serde_json::Error::custom("it has no ETag"))?,
            })
        })
    }

    /// Shows one node.
    pub fn node(&self, node_id: NodeId) -> Call<'_, NodeDetails> {
        self.get(&paths::node(node_id))
    }

    /// Enables a node; its former capacity is replaced.
    pub fn enable(&self, node_id: NodeId, capacity: NodeCapacity) -> Call<'_, ChangeOutcome> {
        let request = self.request(Method::POST, &paths::node(node_id));
        let request = with_json(request, &Registration { capacity });
        Call::new(&self.connection, request, change)
    }

    /// Disables a node.
    pub fn disable(&self, node_id: NodeId) -> Call<'_, ChangeOutcome> {
        let request = self.request(Method::DELETE, &paths::node(node_id));
        Call::new(&self.connection, request, change)
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
        Call::new(&self.connection, request, json).with_extra_time(REPLACE_TIME)
    }

    /// Shows the counters of a node.
    pub fn stats(&self, node_id: NodeId) -> Call<'_, NodeStats> {
        self.get(&paths::node_stats(node_id))
    }

    /// Adds to the counters of a node and returns the totals.
    pub fn add_stats(&self, node_id: NodeId, delta: EdgeCacheStats) -> Call<'_, NodeStats> {
        let request = self.request(Method::POST, &paths::node_stats(node_id));
        let request = with_json(request, &delta);
        Call::new(&self.connection, request, json)
    }

    /// Puts the absolute counters of a source of a node and returns the totals of the node. The same counters again change
    /// nothing; if one of them has fallen, the source counts from zero.
    pub fn put_source(
        &self,
        node_id: NodeId,
        source: &SourceName,
        counters: EdgeCacheStats,
    ) -> Call<'_, NodeStats> {
        let request = self.request(Method::PUT, &paths::stats_source(node_id, source));
        let request = with_json(request, &counters);
        Call::new(&self.connection, request, json)
    }

    /// Lists the nodes with a decision, the latest first.
    pub fn decisions(&self, query: DecisionsQuery) -> Call<'_, DecisionList> {
        let limit = query.limit.map(|limit| limit.to_string());
        self.get(paths::DECISIONS)
            .with_query("limit", limit.as_deref())
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

    /// Forgets a failed member.
    pub fn forget_peer(&self, node_id: NodeId) -> Call<'_, ()> {
        let request = self.request(Method::DELETE, &paths::peer(node_id));
        Call::new(&self.connection, request, |_| Ok(()))
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
    pub fn swap_plugin(&self, plugin: PluginOffer, query: SwapQuery) -> Call<'_, Plugin> {
        let request = self.request(Method::PUT, paths::PLUGIN);
        let request = match plugin {
            PluginOffer::File(bytes) => with_body(request, headers::WASM, bytes),
            PluginOffer::Form(form) => self.connection.with_form(request, form.parts()),
            PluginOffer::Registry(source) => with_json(request, &source),
        };
        Call::new(&self.connection, request, json)
            .with_query("sha256", query.sha256.as_deref())
            .with_extra_time(COMPILE_TIME)
    }

    /// Lets the agent read its declared plugin again.
    pub fn reload_plugin(&self, query: &ReloadQuery) -> Call<'_, Plugin> {
        let request = self.request(Method::POST, paths::PLUGIN_RELOAD);
        Call::new(&self.connection, request, json)
            .with_query("pull", query.pull.then_some("true"))
            .with_query("digest", query.digest.as_deref())
            .with_extra_time(COMPILE_TIME)
    }

    /// Lets the agent go back to its declared plugin.
    pub fn revert_plugin(&self) -> Call<'_, Plugin> {
        let request = self.request(Method::POST, paths::PLUGIN_REVERT);
        Call::new(&self.connection, request, json).with_extra_time(COMPILE_TIME)
    }

    /// Shows the agent itself.
    pub fn agent(&self) -> Call<'_, Agent> {
        self.get(paths::AGENT)
    }

    /// Lets the agent read its settings and files again.
    pub fn reload(&self) -> Call<'_, ReloadReport> {
        let request = self.request(Method::POST, paths::RELOAD);
        Call::new(&self.connection, request, json).with_extra_time(COMPILE_TIME)
    }

    /// Takes a snapshot of the agent's store.
    pub fn snapshot(&self) -> Call<'_, Bytes> {
        let request = self.request(Method::GET, paths::SNAPSHOT);
        let mut call = Call::new(&self.connection, request, |response| {
            Ok(response.body.clone())
        });
        call.bytes_max = SNAPSHOT_BYTES_MAX;
        call.with_extra_time(SNAPSHOT_TIME)
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

    /// Opens the event stream and follows it over breaks of the connection.
    ///
    /// # Errors
    ///
    /// The first connection fails, for instance because the address is wrong: a [`ClientError`].
    pub async fn follow_events(&self) -> Result<EventFollower, ClientError> {
        EventFollower::open(self.connection.clone()).await
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Call<'_, T> {
        Call::new(&self.connection, self.request(Method::GET, path), json)
    }

    fn request(&self, method: Method, path: &str) -> Request {
        Request::new(method, self.connection.url(path))
    }
}

/// The eligible nodes with the ETag of their list.
#[derive(Debug, Clone, PartialEq)]
pub struct TaggedNodes {
    /// The nodes, in ascending order of node id.
    pub nodes: Vec<Node>,
    /// The ETag.
    pub tag: String,
}

/// A plugin that is offered to an agent.
#[derive(Debug, Clone)]
pub enum PluginOffer {
    /// The content of a file.
    File(Vec<u8>),
    /// The content of a file with what belongs to it.
    Form(PluginForm),
    /// A reference to a registry, from which the agent pulls.
    Registry(SwapSource),
}

/// The content of a plugin file, with its proof and its settings.
#[derive(Debug, Clone, Default)]
pub struct PluginForm {
    /// The content of the file.
    pub plugin: Vec<u8>,
    /// The content of the file's `.proof` file.
    pub proof: Option<Vec<u8>>,
    /// The settings of the plugin, in place of the declared ones.
    pub settings: Option<BTreeMap<String, String>>,
}

impl PluginForm {
    fn parts(self) -> Form {
        let mut form = Form::new().part("plugin", Part::bytes(self.plugin));
        if let Some(proof) = self.proof {
            form = form.part("proof", Part::bytes(proof));
        }
        if let Some(settings) = self.settings {
            // A map of texts is always JSON.
            let settings = serde_json::to_vec(&settings).unwrap_or_default();
            form = form.part("settings", Part::bytes(settings));
        }
        form
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

/// A call of one operation. Nothing is sent before [`Call::send`].
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Call<'a, T> {
    connection: &'a Connection,
    request: Request,
    /// The time that the agent may need on top of the client's timeout.
    extra_time: Duration,
    /// The largest response.
    bytes_max: usize,
    decode: fn(&Response) -> serde_json::Result<T>,
}

/// The outcome of a change of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The change is made, and its labels have followed where they were waited for.
    Done,
    /// The change is made; its labels have not followed in time.
    Pending(NodeChange),
}

impl<'a, T> Call<'a, T> {
    /// Creates a call whose response is read by `decode`.
    fn new(
        connection: &'a Connection,
        request: Request,
        decode: fn(&Response) -> serde_json::Result<T>,
    ) -> Self {
        Self {
            connection,
            request,
            extra_time: Duration::ZERO,
            bytes_max: RESPONSE_BYTES_MAX,
            decode,
        }
    }

    /// Adds a query parameter that has a value.
    fn with_query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let url = self.request.url_mut();
            url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// Gives the agent this time on top of the client's timeout.
    fn with_extra_time(mut self, time: Duration) -> Self {
        self.extra_time = time;
        self
    }

    /// Sends the request and returns the response.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoResponse`] or [`ClientError::Refused`].
    pub async fn send(self) -> Result<T, ClientError> {
        let decode = self.decode;
        self.send_and_read(decode).await
    }

    /// Sends the request and returns the response as the agent wrote it, with fields that this version does not know.
    ///
    /// # Errors
    ///
    /// As [`Call::send`].
    pub async fn send_json(self) -> Result<Value, ClientError> {
        self.send_and_read(json).await
    }

    async fn send_and_read<R>(
        self,
        decode: fn(&Response) -> serde_json::Result<R>,
    ) -> Result<R, ClientError> {
        let sent = describe(&self.request);
        let response = self
            .connection
            .send(self.request, self.extra_time, self.bytes_max)
            .await?;
        decode(&response).map_err(|error| {
            let reason = format!("the response is not that of an agent: {error}");
            self.connection.no_response(&sent, &reason)
        })
    }
}

impl Call<'_, ChangeOutcome> {
    /// Lets the agent wait until the labels have followed, at most [`WAIT_MAX`](edge_cache_api::limits::WAIT_MAX).
    pub fn wait(self, time: Duration) -> Self {
        let text = format!("{}ms", time.as_millis());
        self.with_query("wait", Some(&text)).with_extra_time(time)
    }
}

fn json<T: DeserializeOwned>(response: &Response) -> serde_json::Result<T> {
    serde_json::from_slice(&response.body)
}

/// Reads the response to a change of one node.
fn change(response: &Response) -> serde_json::Result<ChangeOutcome> {
    if response.status == StatusCode::ACCEPTED {
        json(response).map(ChangeOutcome::Pending)
    } else {
        Ok(ChangeOutcome::Done)
    }
}
