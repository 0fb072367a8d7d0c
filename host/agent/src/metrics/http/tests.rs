use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use super::{DURATION_BUCKETS, HttpMetrics, NO_ROUTE};

const NODE: &str = "/nodes/{id}";

/// Returns the lines of all request counters, sorted, after these requests.
fn counted(requests: &[(&str, &Method, StatusCode)]) -> Vec<String> {
    let metrics = HttpMetrics::default();
    for (route, method, status) in requests {
        metrics.answered(route, method, *status, Duration::from_micros(60));
    }
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).unwrap();
    let requests = text
        .lines()
        .filter_map(|line| line.strip_prefix("http_requests_total"));
    let mut requests: Vec<_> = requests.map(str::to_string).collect();
    requests.sort();
    requests
}

#[test]
fn requests_count_by_template_method_and_code() {
    let ok = StatusCode::OK;
    let read = counted(&[
        (NODE, &Method::GET, ok),
        (NODE, &Method::GET, StatusCode::NOT_FOUND),
        (NODE, &Method::GET, StatusCode::NOT_FOUND),
        (NODE, &Method::DELETE, StatusCode::NO_CONTENT),
        ("/nodes", &Method::HEAD, ok),
    ]);
    assert_eq!(
        read,
        [
            r#"{route="/nodes",method="HEAD",code="200"} 1"#,
            r#"{route="/nodes/{id}",method="DELETE",code="204"} 1"#,
            r#"{route="/nodes/{id}",method="GET",code="200"} 1"#,
            r#"{route="/nodes/{id}",method="GET",code="404"} 2"#,
        ]
    );
}

#[test]
fn unknown_methods_share_their_series() {
    let strange = Method::from_bytes(b"BREW").unwrap();
    let not_found = StatusCode::NOT_FOUND;
    let read = counted(&[
        (NO_ROUTE, &strange, not_found),
        (NO_ROUTE, &Method::PATCH, not_found),
        (NO_ROUTE, &Method::OPTIONS, not_found),
    ]);
    assert_eq!(read, [r#"{route="none",method="other",code="404"} 3"#]);
}

#[test]
fn bounds_ascend() {
    assert!(DURATION_BUCKETS.is_sorted());
}
