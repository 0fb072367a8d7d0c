//! Envoy's endpoint discovery (EDS) over REST: the caches of all nodes as the endpoints of one cluster.
//!
//! The JSON is that of `envoy.service.discovery.v3` and `envoy.config.endpoint.v3`. An answer is made once for each
//! table, so that the polls of many proxies cost little.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::http::limits::{BODY_GRACE, DISCOVERIES_MAX, DISCOVERY_BYTES_MAX};
use edge_cache_api::object::Object;
use edge_cache_host::{CacheAddress, Traffic, TrafficTable};

/// The name of the cluster whose endpoints are the caches.
const CLUSTER: &str = "edge-cache";
/// The type of the resources.
const TYPE_URL: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// The version of an answer without resources.
const NO_VERSION: &str = "none";
/// The bytes of the digest in a version.
const VERSION_BYTES: usize = 8;

/// The endpoints that are served, with the last answer.
#[derive(Debug)]
pub(super) struct Endpoints {
    traffic: Traffic,
    fallback: Option<CacheAddress>,
    last: ArcSwapOption<Answer>,
    /// A permit for each request that is read.
    turns: Semaphore,
}

/// The answer for one table.
#[derive(Debug)]
struct Answer {
    table: Arc<TrafficTable>,
    version: String,
    body: Bytes,
}

/// A DiscoveryRequest, with its fields that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DiscoveryRequest {
    #[serde(alias = "versionInfo")]
    version_info: String,
    #[serde(alias = "resourceNames")]
    resource_names: Vec<String>,
    #[serde(alias = "typeUrl")]
    type_url: String,
}

#[derive(Debug, Serialize)]
struct DiscoveryResponse<'a> {
    version_info: &'a str,
    resources: &'a [ClusterLoadAssignment],
    type_url: &'static str,
}

#[derive(Debug, Serialize)]
struct ClusterLoadAssignment {
    #[serde(rename = "@type")]
    type_url: &'static str,
    cluster_name: &'static str,
    endpoints: Vec<LocalityEndpoints>,
}

#[derive(Debug, Serialize)]
struct LocalityEndpoints {
    locality: Locality,
    lb_endpoints: Vec<LbEndpoint>,
    load_balancing_weight: u32,
    priority: u32,
}

#[derive(Debug, Serialize)]
struct Locality {
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
}

#[derive(Debug, Serialize)]
struct LbEndpoint {
    endpoint: Endpoint,
    load_balancing_weight: u32,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    address: Address,
}

#[derive(Debug, Serialize)]
struct Address {
    socket_address: SocketAddress,
}

#[derive(Debug, Serialize)]
struct SocketAddress {
    address: String,
    port_value: u16,
}

/// Answers a poll for endpoints. A page in a browser may not ask.
pub(super) async fn discover(
    State(endpoints): State<Arc<Endpoints>>,
    request: Request,
) -> Response {
    if request.headers().contains_key(ORIGIN) {
        return refuse(
            StatusCode::FORBIDDEN,
            "requests with an `Origin` header are refused",
        );
    }
    let Ok(_turn) = endpoints.turns.try_acquire() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once");
    };
    let request = match read(request.into_body()).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    let Some(table) = endpoints.traffic.table() else {
        // Envoy keeps what it has.
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "the routing table of all members is being built",
        );
    };
    let is_asked = request.resource_names.is_empty()
        || request.resource_names.iter().any(|name| name == CLUSTER);
    if !is_asked {
        if request.version_info == NO_VERSION {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        return json(encode(NO_VERSION, &[]));
    }
    let answer = endpoints.answer(table);
    if request.version_info == answer.version {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    json(answer.body.clone())
}

async fn read(body: Body) -> Result<DiscoveryRequest, Response> {
    let body = timeout(BODY_GRACE, to_bytes(body, DISCOVERY_BYTES_MAX)).await;
    let body =
        body.map_err(|_| refuse(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))?;
    let body = body.map_err(|_| {
        refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("a DiscoveryRequest is at most {DISCOVERY_BYTES_MAX} bytes"),
        )
    })?;
    let Object(request): Object<DiscoveryRequest> =
        serde_json::from_slice(&body).map_err(|_| {
            refuse(
                StatusCode::BAD_REQUEST,
                "the body must be a DiscoveryRequest as JSON",
            )
        })?;
    if !request.type_url.is_empty() && request.type_url != TYPE_URL {
        let detail = format!("only resources of the type {TYPE_URL} are served");
        return Err(refuse(StatusCode::BAD_REQUEST, &detail));
    }
    Ok(request)
}

fn refuse(status: StatusCode, detail: &str) -> Response {
    (status, detail.to_string()).into_response()
}

fn json(body: Bytes) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json)], body).into_response()
}

impl Endpoints {
    /// Serves the caches of the traffic table, and the fallback behind them.
    pub(super) fn new(traffic: Traffic, fallback: Option<CacheAddress>) -> Self {
        Self {
            traffic,
            fallback,
            last: ArcSwapOption::empty(),
            turns: Semaphore::new(DISCOVERIES_MAX),
        }
    }

    /// Returns the answer for a table.
    fn answer(&self, table: Arc<TrafficTable>) -> Arc<Answer> {
        if let Some(last) = self
            .last
            .load_full()
            .filter(|last| Arc::ptr_eq(&last.table, &table))
        {
            return last;
        }
        let assignment = ClusterLoadAssignment {
            type_url: TYPE_URL,
            cluster_name: CLUSTER,
            endpoints: localities(&table, self.fallback),
        };
        let assignment = [assignment];
        let digest = Sha256::digest(encode("", &assignment));
        let version = hex::encode(digest.get(..VERSION_BYTES).unwrap_or(&digest));
        let answer = Arc::new(Answer {
            body: encode(&version, &assignment),
            version,
            table,
        });
        self.last.store(Some(answer.clone()));
        answer
    }
}

fn encode(version_info: &str, resources: &[ClusterLoadAssignment]) -> Bytes {
    let response = DiscoveryResponse {
        version_info,
        resources,
        type_url: TYPE_URL,
    };
    // Texts and numbers always have a form in JSON.
    serde_json::to_vec(&response).unwrap_or_default().into()
}

/// Groups the caches by geo, in ascending order of geo and node id; the fallback comes behind all.
fn localities(table: &TrafficTable, fallback: Option<CacheAddress>) -> Vec<LocalityEndpoints> {
    let mut by_geo: BTreeMap<Option<&str>, BTreeMap<_, _>> = BTreeMap::new();
    for (node_id, cache, weight, geo) in table.caches() {
        let nodes = by_geo.entry(geo).or_default();
        nodes.insert(node_id, (cache.address, weight));
    }
    let locality =
        |region: Option<&str>, nodes: &mut dyn Iterator<Item = (CacheAddress, u32)>, priority| {
            let lb_endpoints: Vec<_> = nodes
                .map(|(address, weight)| endpoint(address, weight))
                .collect();
            let weights = lb_endpoints
                .iter()
                .map(|endpoint| endpoint.load_balancing_weight);
            LocalityEndpoints {
                locality: Locality {
                    region: region.map(str::to_string),
                },
                load_balancing_weight: weights.fold(0, u32::saturating_add),
                lb_endpoints,
                priority,
            }
        };
    let mut localities: Vec<_> = by_geo
        .into_iter()
        .map(|(geo, nodes)| locality(geo, &mut nodes.into_values(), 0))
        .collect();
    if let Some(fallback) = fallback {
        localities.push(locality(None, &mut std::iter::once((fallback, 1)), 1));
    }
    localities
}

fn endpoint(address: CacheAddress, weight: u32) -> LbEndpoint {
    let socket = address.socket();
    LbEndpoint {
        endpoint: Endpoint {
            address: Address {
                socket_address: SocketAddress {
                    address: socket.ip().to_string(),
                    port_value: socket.port(),
                },
            },
        },
        load_balancing_weight: weight,
    }
}
