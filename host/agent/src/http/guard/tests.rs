use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::middleware;
use axum::response::Response;
use axum::routing::any;
use tower::ServiceExt;

use super::{Guard, Hosts, check_origin, is_local};

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

#[tokio::test]
async fn the_own_page_may_read_and_nothing_else() {
    let own = &[
        ("host", "localhost:7947"),
        ("origin", "http://localhost:7947"),
    ][..];
    let site = |value| vec![("host", "localhost"), ("sec-fetch-site", value)];
    for (method, headers, status) in [
        ("GET", own, 200),
        ("HEAD", own, 200),
        ("POST", own, 403),
        ("DELETE", own, 403),
        (
            "GET",
            &[
                ("host", "LOCALHOST:7947"),
                ("origin", "http://localhost:7947"),
            ],
            200,
        ),
        // Another port, scheme or name, no name, and several.
        (
            "GET",
            &[
                ("host", "localhost:7947"),
                ("origin", "http://localhost:3000"),
            ],
            403,
        ),
        (
            "GET",
            &[("host", "localhost:7947"), ("origin", "http://localhost")],
            403,
        ),
        (
            "GET",
            &[
                ("host", "localhost:7947"),
                ("origin", "https://localhost:7947"),
            ],
            403,
        ),
        (
            "GET",
            &[
                ("host", "localhost:7947"),
                ("origin", "http://127.0.0.1:7947"),
            ],
            403,
        ),
        ("GET", &[("host", "localhost"), ("origin", "null")], 403),
        ("GET", &[("host", "localhost"), ("origin", "")], 403),
        ("GET", &[("origin", "http://localhost")], 403),
        (
            "GET",
            &[
                ("host", "localhost"),
                ("origin", "http://localhost"),
                ("origin", "http://x"),
            ],
            403,
        ),
        (
            "GET",
            &[
                ("host", "localhost"),
                ("host", "[::1]"),
                ("origin", "http://localhost"),
            ],
            403,
        ),
        // A name that resolves to loopback is its own origin, and none of this machine's.
        (
            "GET",
            &[("host", "evil.example"), ("origin", "http://evil.example")],
            403,
        ),
        ("GET", &site("same-origin"), 200),
        ("GET", &site("none"), 200),
        ("GET", &site("same-site"), 403),
        ("GET", &site("cross-site"), 403),
        ("GET", &site("later"), 403),
        (
            "GET",
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
            403,
        ),
        ("POST", &site("same-origin"), 403),
        ("PUT", &site("none"), 403),
        ("POST", &[("host", "localhost")], 200),
    ] {
        let answer = ask_by(method, Hosts::Local, "/", headers).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {headers:?}");
    }
}

async fn ask(hosts: Hosts, target: &str, headers: &[(&str, &str)]) -> Response {
    ask_by("GET", hosts, target, headers).await
}

async fn ask_by(method: &str, hosts: Hosts, target: &str, headers: &[(&str, &str)]) -> Response {
    let routes =
        Router::new()
            .route("/", any(async || "in"))
            .layer(middleware::from_fn_with_state(
                Guard::with_page(hosts, false),
                check_origin,
            ));
    let mut request = Request::builder().method(method).uri(target);
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
