use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use tower::ServiceExt;

use super::{Hosts, check_origin, is_local};

#[tokio::test]
async fn every_name_that_a_request_gives_must_be_local() {
    for (target, headers, status) in [
        ("/", &[][..], 200),
        ("/", &[("host", "localhost:7947")][..], 200),
        ("/", &[("host", "cache.example")][..], 403),
        (
            "/",
            &[("host", "localhost"), ("host", "cache.example")][..],
            403,
        ),
        ("/", &[("origin", "null"), ("host", "localhost")][..], 403),
        ("http://[::1]:7947/", &[("host", "localhost")][..], 200),
        ("http://cache.example/", &[("host", "localhost")][..], 403),
        ("http://cache.example/", &[][..], 403),
    ] {
        let answer = ask(Hosts::Local, target, headers).await;
        assert_eq!(
            answer.status(),
            StatusCode::from_u16(status).unwrap(),
            "{target} {headers:?}"
        );
    }
}

#[tokio::test]
async fn beyond_loopback_any_name_will_do_but_no_origin() {
    for (headers, status) in [
        (&[("host", "cache.example")][..], 200),
        (&[("host", "cache.example"), ("origin", "null")][..], 403),
    ] {
        let answer = ask(Hosts::Any, "http://cache.example/", headers).await;
        assert_eq!(answer.status().as_u16(), status, "{headers:?}");
    }
}

async fn ask(hosts: Hosts, target: &str, headers: &[(&str, &str)]) -> Response {
    let routes = Router::new()
        .route("/", get(async || "in"))
        .layer(middleware::from_fn_with_state(hosts, check_origin));
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    routes.oneshot(request).await.unwrap()
}

#[test]
fn only_names_of_this_machine_are_local() {
    for (host, local) in [
        ("localhost", true),
        ("LOCALHOST:7947", true),
        ("127.0.0.1", true),
        ("127.8.8.8:7947", true),
        ("[::1]", true),
        ("[::1]:7947", true),
        ("", false),
        ("example.org", false),
        ("localhost.example.org", false),
        ("127.0.0.1.example.org", false),
        ("localhost@example.org", false),
        ("0.0.0.0", false),
        ("10.0.0.1:7947", false),
        ("[::]", false),
        ("[fe80::1]", false),
    ] {
        assert_eq!(is_local(host), local, "{host}");
    }
}
