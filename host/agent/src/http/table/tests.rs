use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::*;
use crate::http::access::Role;
use crate::http::extract::NODES;
use crate::http::operation::handler;
use crate::http::operations;

/// What is said of a request: the template of its path, and what it needs.
fn found(method: &str, target: &str) -> (Option<String>, Option<Need>) {
    let described = operations().into_iter();
    let operations: Vec<_> = described
        .flat_map(|described| described.paths())
        .map(|(template, method)| Operation {
            template,
            method,
            handler: handler(async || "in", ()),
        })
        .collect();
    let table = Table::new(operations);
    let request = Request::builder().method(method).uri(target);
    let request = request.body(Body::empty()).unwrap();
    let target = table.find(&request);
    let answer = target.answer(request).now_or_never().unwrap();
    let expected = match (target.route(), target.need()) {
        (_, Some(_)) => StatusCode::OK,
        (Some(_), None) => StatusCode::METHOD_NOT_ALLOWED,
        (None, None) => StatusCode::NOT_FOUND,
    };
    assert_eq!(answer.status(), expected, "{method} {target:?}");
    (target.route().map(str::to_string), target.need())
}

#[test]
fn a_request_is_for_the_route_that_its_path_fits() {
    let node = "/api/v1/nodes/{id}/edge-cache";
    for (method, target, route, need) in [
        ("GET", "/api/v1/nodes/7/edge-cache", node, Role::Read),
        ("HEAD", "/api/v1/nodes/7/edge-cache?x=y", node, Role::Read),
        (
            "POST",
            "http://localhost/api/v1/nodes/%37/edge-cache",
            node,
            Role::Write,
        ),
        (
            "DELETE",
            "/api/v1/nodes/nobody/edge-cache",
            node,
            Role::Write,
        ),
        ("PUT", "/api/v1/plugin", "/api/v1/plugin", Role::Admin),
    ] {
        let expected = (Some(route.to_string()), Some(Need::Role(need)));
        assert_eq!(found(method, target), expected, "{method} {target}");
    }
    // What is wrong with a node's id is said by who reads it.
    let empty = found("GET", "/api/v1/nodes//edge-cache");
    assert_eq!(empty.0.as_deref(), Some(node));
    let open = found("HEAD", "/health/livez");
    assert_eq!(
        open,
        (Some("/health/livez".to_string()), Some(Need::Nothing))
    );
}

#[test]
fn what_is_not_there_has_no_need() {
    let node = "/api/v1/nodes/{id}/edge-cache";
    for method in ["PUT", "PATCH", "OPTIONS", "TRACE", "get", "MADEUP"] {
        let target = "/api/v1/nodes/7/edge-cache";
        assert_eq!(
            found(method, target),
            (Some(node.to_string()), None),
            "{method}"
        );
    }
    for target in [
        "/",
        "/api/v1/nodes/7/edge-cache/",
        "/api/v1/nodes/7%2fedge-cache",
        "/api/v1/nodes/7/8/edge-cache",
        "//api/v1/plugin",
        "/API/v1/plugin",
        "/api/v1/plugin/../plugin",
        "/api/v1/%70lugin",
        "*",
        "localhost:80",
    ] {
        let method = match target {
            "*" => "OPTIONS",
            "localhost:80" => "CONNECT",
            _ => "GET",
        };
        assert_eq!(found(method, target), (None, None), "{target}");
    }
}

#[test]
fn every_operation_stands_in_the_table_once() {
    let mut seen = BTreeSet::new();
    for described in operations() {
        let paths = described.paths();
        // One whose method is not known would be described, and answered with 405.
        assert_eq!(paths.len(), 1, "{paths:?}");
        for (template, method) in paths {
            if let Some((before, _)) = template.split_once('{') {
                assert_eq!(before, NODES, "a node's id is read from behind that");
            }
            let (found, need) = found(method.as_str(), &template.replace("{id}", "7"));
            assert_eq!(found.as_ref(), Some(&template), "{method}");
            assert!(need.is_some(), "{method} {template}");
            assert!(seen.insert((template, method.to_string())), "{seen:?}");
        }
    }
}
