use axum::body::to_bytes;
use axum::response::IntoResponse;
use serde_json::json;

use super::Problem;
use edge_cache_host::EdgeCacheError as E;

#[tokio::test]
async fn every_error_has_a_status_and_a_name() {
    let text = || "why".to_string();
    for (error, status, kind) in [
        (E::Gossip(text()), 422, "/problems/labels-refused"),
        (
            E::InvalidCapacity(text()),
            422,
            "/problems/invalid-capacity",
        ),
        (E::NodeNotFound(7), 404, "/problems/node-not-found"),
        (E::PluginFailed(text()), 503, "/problems/plugin-failed"),
        (E::StoreFailed(text()), 503, "/problems/store-failed"),
        (E::Full { limit: 3 }, 409, "/problems/registry-full"),
        (
            E::Busy {
                queue: 1,
                waited_ms: 2,
            },
            503,
            "/problems/busy",
        ),
        (E::NotJoined, 503, "/problems/not-met"),
        (E::NoLaterTime(7), 409, "/problems/no-later-time"),
        (E::CountedElsewhere(7), 409, "/problems/counted-elsewhere"),
        (E::ShuttingDown, 503, "/problems/shutting-down"),
    ] {
        let detail = error.to_string();
        let is_early = matches!(error, E::Busy { .. } | E::NotJoined);
        let response = Problem::from(error).into_response();
        let headers = response.headers();
        assert_eq!(response.status(), status);
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers.contains_key("retry-after"), is_early, "{kind}");
        let bytes = to_bytes(response.into_body(), 4096).await.unwrap();
        let mut document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert!(document["title"].take().is_string(), "{kind}");
        assert_eq!(
            document,
            json!({"type": kind, "title": null, "status": status, "detail": detail, "error": detail})
        );
    }
}
