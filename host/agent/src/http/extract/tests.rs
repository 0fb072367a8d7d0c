use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tower::ServiceExt;

use super::{Json, Node};
use crate::http::bodies::BodyBudget;
use edge_cache_api::limits::BODY_BYTES_MAX;
use edge_cache_api::object::object;
use edge_cache_host::NodeCapacity;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(deserialize_with = "object")]
    capacity: NodeCapacity,
}

async fn ask(id: &str, content_type: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let app = Router::new().route(
        "/api/v1/nodes/{id}/edge-cache",
        post(async |Node(id): Node, Json(wanted, _): Json<Wanted>| {
            format!("[{id},{}]", wanted.capacity.cpu_cores)
        }),
    );
    let app = app.with_state(BodyBudget::new(0));
    let request = Request::post(format!("/api/v1/nodes/{id}/edge-cache"))
        .header("content-type", content_type)
        .body(body.into())
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

const GOOD: &str = r#"{"capacity":{"cpu_cores":8,"ram_mib":1,"disk_mib":1}}"#;

#[tokio::test]
async fn a_good_request_is_taken() {
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
    ] {
        let answer = ask("18446744073709551615", content_type, GOOD).await;
        assert_eq!(
            answer,
            (StatusCode::OK, serde_json::json!([u64::MAX, 8])),
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn a_wrong_id_is_named_and_not_repeated_at_length() {
    let long = "9".repeat(4000);
    for (id, said) in [
        ("abc", "`abc` is not a number"),
        ("-1", "`-1` is not a number"),
        ("+1", "`+1` is not a number"),
        ("007", "`007` begins with a zero"),
        ("00", "`00` begins with a zero"),
        ("1.5", "`1.5` is not a number"),
        (
            "18446744073709551616",
            "`18446744073709551616` is too large",
        ),
        ("%00%1b", "`\u{fffd}\u{fffd}` is not a number"),
        ("%ff", "it is not UTF-8"),
        (&long, "999…` is too large"),
    ] {
        let (status, problem) = ask(id, "application/json", GOOD).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{id}");
        assert!(detail.ends_with(said), "{detail}");
        assert!(detail.starts_with("a node id is a number from 0 to 18446744073709551615; "));
        assert!(detail.len() < 150, "{detail}");
    }
}

#[tokio::test]
async fn a_wrong_body_is_refused_by_name_and_place() {
    let long = "x".repeat(10_000);
    let long_key = format!(r#"{{"{long}":1}}"#);
    let long_text = with_cores(&format!("\"{long}, expected {long}\""));
    let cases: &[(&str, u16, &str)] = &[
        ("", 400, "EOF while parsing a value at line 1 column 0"),
        ("{", 400, "EOF while parsing an object at line 1 column 1"),
        (
            "{\n  \"capacity\": }",
            400,
            "`capacity`: expected value at line 2 column 15",
        ),
        ("nonsense", 400, "expected ident at line 1 column 2"),
        (
            &format!("{GOOD}x"),
            400,
            "trailing characters at line 1 column 54",
        ),
        (
            "[1]",
            422,
            "invalid type: sequence, expected an object at line 1 column 0",
        ),
        (
            "null",
            422,
            "invalid type: null, expected an object at line 1 column 4",
        ),
        ("{}", 422, "missing field `capacity` at line 1 column 2"),
        (
            r#"{"capacity":[8,1,1,null]}"#,
            422,
            "`capacity`: invalid type: sequence, expected an object at line 1 column 12",
        ),
        (
            r#"{"capacity":{"cpu_cores":8,"ram_mib":1}}"#,
            422,
            "`capacity`: missing field `disk_mib` at line 1 column 39",
        ),
        (
            r#"{"capacity":{"cores":8}}"#,
            422,
            "`capacity.cores`: unknown field `cores`, expected one of `cpu_cores`, `ram_mib`, `disk_mib`, \
             `geo` at line 1 column 20",
        ),
        (
            &with_cores("-1"),
            422,
            "`capacity.cpu_cores`: invalid value: integer `-1`, expected a whole number from 0 to 4294967295 \
             at line 1 column 27",
        ),
        (
            &with_cores("4294967296"),
            422,
            "`capacity.cpu_cores`: invalid value: integer `4294967296`, expected a whole number from 0 to \
             4294967295 at line 1 column 35",
        ),
        (
            &with_cores("1e400"),
            422,
            "`capacity.cpu_cores`: number out of range at line 1 column 30",
        ),
        (
            &with_cores("1,\"cpu_cores\":1"),
            422,
            "`capacity`: duplicate field `cpu_cores` at line 1 column 38",
        ),
        (
            r#"{"capacity":{"ram_mib":18446744073709551616}}"#,
            422,
            "`capacity.ram_mib`: invalid type: floating point `1.8446744073709552e+19`, expected a whole \
             number from 0 to 18446744073709551615 at line 1 column 43",
        ),
        (
            r#"{"capacity":{"geo":7}}"#,
            422,
            "`capacity.geo`: invalid type: integer `7`, expected a string at line 1 column 20",
        ),
        (
            &long_key,
            422,
            "…, expected `capacity` at line 1 column 10003",
        ),
        (
            &long_text,
            422,
            "…, expected a whole number from 0 to 4294967295 at line 1 column 20038",
        ),
        (
            &"[".repeat(10_000),
            422,
            "invalid type: sequence, expected an object at line 1 column 0",
        ),
    ];
    for (body, status, said) in cases {
        let (got, problem) = ask("7", "application/json", (*body).to_string()).await;
        let detail = problem["detail"].as_str().unwrap();
        let shown: String = body.chars().take(80).collect();
        assert!(detail.ends_with(said), "{shown}: {detail}");
        assert!(detail.len() < 300, "{shown}: {detail}");
        assert_eq!(got, *status, "{shown}");
    }
}

#[tokio::test]
async fn other_media_types_are_refused() {
    for content_type in [
        "",
        "text/plain",
        "application/jsonx",
        "application/x-www-form-urlencoded",
    ] {
        let (status, _) = ask("7", content_type, GOOD).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
}

#[tokio::test]
async fn a_body_may_have_its_limit_and_not_a_byte_more() {
    let padded = |bytes: usize| format!("{GOOD}{}", " ".repeat(bytes - GOOD.len()));
    let (status, _) = ask("7", "application/json", padded(BODY_BYTES_MAX)).await;
    assert_eq!(status, StatusCode::OK);
    let (status, problem) = ask("7", "application/json", padded(BODY_BYTES_MAX + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(problem["detail"], "a body may have 65536 bytes");
}

fn with_cores(value: &str) -> String {
    format!(r#"{{"capacity":{{"cpu_cores":{value},"ram_mib":1,"disk_mib":1}}}}"#)
}
