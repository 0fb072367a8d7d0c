//! A router with handlers in the shape of ZLayer's: the registry is state, and errors are matched without a wildcard.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use edge_cache_host::zlayer::edge_cache::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheRegistry, EdgeCacheStats, NodeCapacity,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt;

#[derive(Clone)]
struct AppState {
    edge_cache: EdgeCacheRegistry,
}

struct ApiError(EdgeCacheError);

impl From<EdgeCacheError> for ApiError {
    fn from(error: EdgeCacheError) -> Self {
        Self(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            EdgeCacheError::NodeNotFound(_) => StatusCode::NOT_FOUND,
            EdgeCacheError::Gossip(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}

#[derive(Deserialize)]
struct EnableRequest {
    cpu_cores: u32,
    ram_mib: u64,
    disk_mib: u64,
    geo: Option<String>,
}

async fn enable(
    State(state): State<AppState>,
    Path(node_id): Path<u64>,
    Json(request): Json<EnableRequest>,
) -> Result<StatusCode, ApiError> {
    let capacity = NodeCapacity {
        cpu_cores: request.cpu_cores,
        ram_mib: request.ram_mib,
        disk_mib: request.disk_mib,
        geo: request.geo,
    };
    state.edge_cache.enable(node_id, capacity).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn disable(
    State(state): State<AppState>,
    Path(node_id): Path<u64>,
) -> Result<StatusCode, ApiError> {
    state.edge_cache.disable(node_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn stats(State(state): State<AppState>, Path(node_id): Path<u64>) -> Json<Value> {
    let EdgeCacheStats { hits, misses } = state.edge_cache.stats(node_id).await;
    Json(json!({ "node_id": node_id, "hits": hits, "misses": misses }))
}

async fn list(State(state): State<AppState>) -> Json<Vec<Value>> {
    let nodes: Vec<EdgeCacheNode> = state.edge_cache.list_eligible().await;
    let nodes = nodes.into_iter().map(|node| {
        json!({ "node_id": node.node_id, "disk_mib": node.capacity.disk_mib, "geo": node.capacity.geo })
    });
    Json(nodes.collect())
}

fn app() -> Router {
    Router::new()
        .route(
            "/api/v1/nodes/{id}/edge-cache",
            post(enable).delete(disable),
        )
        .route("/api/v1/nodes/{id}/edge-cache/stats", get(stats))
        .route("/api/v1/edge-cache", get(list))
        .with_state(AppState {
            edge_cache: EdgeCacheRegistry::new(),
        })
}

async fn ask(app: &Router, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    (
        status,
        serde_json::from_slice(&bytes.unwrap()).unwrap_or_default(),
    )
}

#[tokio::test]
async fn handlers_in_the_shape_of_zlayers_work() {
    let app = app();
    let node = "/api/v1/nodes/7/edge-cache";
    let offered = json!({"cpu_cores": 4, "ram_mib": 1024, "disk_mib": 8192, "geo": "us-east-1"});
    let none = Value::Null;
    let (status, _) = ask(&app, "POST", node, offered).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, listed) = ask(&app, "GET", "/api/v1/edge-cache", none.clone()).await;
    assert_eq!(
        listed,
        json!([{"node_id": 7, "disk_mib": 8192, "geo": "us-east-1"}])
    );
    let (_, stats) = ask(&app, "GET", &format!("{node}/stats"), none.clone()).await;
    assert_eq!(stats, json!({"node_id": 7, "hits": 0, "misses": 0}));
    let (status, _) = ask(&app, "DELETE", node, none.clone()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, body) = ask(&app, "DELETE", node, none).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        body["error"],
        "node 7 is not registered as edge-cache eligible"
    );
    let nothing = json!({"cpu_cores": 0, "ram_mib": 0, "disk_mib": 0, "geo": null});
    let (status, _) = ask(&app, "POST", node, nothing).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}
