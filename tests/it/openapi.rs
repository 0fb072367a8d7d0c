//! Checks that an agent keeps to the description of its API.

mod schemathesis;

use std::collections::BTreeSet;

use edge_cache_agent::http::HEADERS_BYTES_MAX;
use edge_cache_tests::agent::Agent;
use edge_cache_tests::component::reference_bytes;
use edge_cache_tests::openapi::{Description, Operation};
use reqwest::header::{ALLOW, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::access;

/// The operation that ends the agent comes last.
const LEAVE: &str = "leave";
/// The operation that has no end.
const EVENTS: &str = "follow_events";
/// More than any body may have.
const TOO_LARGE: usize = 16 * 1024 * 1024 + 1;

/// More than a component may have.
const WASM_TOO_LARGE: usize = 64 * 1024 * 1024 + 1;

/// A body that each operation with one must take.
fn good_body(operation: &str) -> Value {
    let capacity = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3, "geo": "eu-1"});
    match operation {
        "enable_node" => json!({ "capacity": capacity }),
        "add_stats" | "put_source" => json!({"hits": 1, "misses": 2}),
        "replace_nodes" => json!({"nodes": [{"node_id": 7, "capacity": capacity}]}),
        other => panic!("{other} takes a body: say here which one is good"),
    }
}

/// A query that each operation must take.
fn good_query(operation: &str) -> &'static str {
    match operation {
        "route_key" => "?key=a",
        _ => "",
    }
}

async fn start(more: &[&str]) -> Agent {
    let gossip = ["--gossip-listen", "127.0.0.1:0", "--allow-local-admin"];
    Agent::start(&[&["--node-id", "1"], &gossip[..], more].concat())
        .await
        .unwrap()
}

struct Contract {
    agent: Agent,
    description: Description,
}

impl Contract {
    fn request(&self, operation: &Operation<'_>, id: &str, query: &str) -> RequestBuilder {
        let path = operation.path.replace("{id}", id);
        let path = path.replace("{source}", "cache-1");
        assert!(
            !path.contains('{'),
            "{path}: say here what its parameters are"
        );
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
        self.agent.request(method, &format!("{path}{query}"))
    }

    /// Sends a request whose answer must be described, and answers its status.
    async fn ask(&self, operation: &Operation<'_>, case: &str, request: RequestBuilder) -> u16 {
        let mut response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type
            .map_or("", |value| value.to_str().unwrap())
            .to_string();
        let bytes = if content_type == "text/event-stream" {
            response.chunk().await.unwrap().unwrap_or_default()
        } else {
            response.bytes().await.unwrap()
        };
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            let text = || String::from_utf8_lossy(&bytes).into_owned().into();
            serde_json::from_slice(&bytes).unwrap_or_else(|_| text())
        };
        self.description
            .check(operation, status, &content_type, &body)
            .unwrap_or_else(|error| {
                panic!("{} {}, {case}: {error:#}", operation.method, operation.path)
            });
        status
    }
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let data = tempfile::tempdir().unwrap();
    let agent = start(&["--data-dir", data.path().to_str().unwrap()]).await;
    let document = agent.get("/openapi.json").await.unwrap();
    let contract = Contract {
        agent,
        description: Description::new(document),
    };
    let mut operations = contract.description.operations().unwrap();
    let id =
        |operation: &Operation<'_>| operation.said["operationId"].as_str().unwrap().to_string();
    // What is taken away comes after what is looked at.
    operations.sort_by_key(|operation| (id(operation) == LEAVE, operation.method == "DELETE"));
    let ids: BTreeSet<_> = operations.iter().map(id).collect();
    assert_eq!(ids.len(), operations.len(), "operation ids are unique");
    assert!(ids.contains(LEAVE) && ids.contains(EVENTS));

    for operation in &operations {
        let name = id(operation);
        let said = operation.said;
        assert!(
            said["security"].is_array() && said["tags"].is_array(),
            "{name}"
        );
        assert!(
            said["summary"].is_string() || said["description"].is_string(),
            "{name}"
        );
        let request = |query: &str| contract.request(operation, "7", query);
        let browser = request("").header("origin", "http://localhost");
        assert_eq!(
            contract.ask(operation, "from a browser", browser).await,
            403
        );

        let has_id = operation.path.contains("{id}");
        if has_id {
            for wrong in ["abc", "-1", "18446744073709551616", "%ff"] {
                let request = contract.request(operation, wrong, "");
                assert_eq!(contract.ask(operation, wrong, request).await, 400);
            }
        }
        // The query is read before the body.
        for wrong in ["?nonsense=1", "?wait=5&status=x", "?status=undead"] {
            let status = contract.ask(operation, wrong, request(wrong)).await;
            assert_eq!(status, 400, "{name} {wrong}");
        }
        let takes_json = said["requestBody"]["content"]["application/json"].is_object();
        if name == "swap_plugin" {
            let wasm = || request("").header(CONTENT_TYPE, "application/wasm");
            for (case, request, expected) in [
                ("no media type", request("").body("{}"), 415),
                ("no body", wasm(), 422),
                ("no component", wasm().body("nonsense"), 422),
                ("too large", wasm().body(vec![b' '; WASM_TOO_LARGE]), 413),
            ] {
                let status = contract.ask(operation, case, request).await;
                assert_eq!(status, expected, "{name}, {case}");
            }
        }
        if takes_json {
            let json = || request("").header(CONTENT_TYPE, "application/json");
            for (case, request, expected) in [
                ("no body", json(), 400),
                ("no media type", request("").body("{}"), 415),
                (
                    "text",
                    request("").header(CONTENT_TYPE, "text/plain").body("{}"),
                    415,
                ),
                ("nonsense", json().body("nonsense"), 400),
                ("an array", json().body("[]"), 422),
                ("nothing in it", json().body("{}"), 422),
                ("too large", json().body(vec![b' '; TOO_LARGE]), 413),
            ] {
                let status = contract.ask(operation, case, request).await;
                assert_eq!(status, expected, "{name}, {case}");
            }
        }
        let mut good = request(good_query(&name));
        if takes_json && name != "swap_plugin" {
            good = good.json(&good_body(&name));
        } else if name == "swap_plugin" {
            let wasm = good.header(CONTENT_TYPE, "application/wasm");
            good = wasm.body(reference_bytes().unwrap());
        } else {
            assert!(
                !said["requestBody"].is_object(),
                "{name}: say here what it takes"
            );
        }
        if ["add_stats", "put_source", "show_node", "disable_node"].contains(&&*name) {
            let capacity = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3});
            let path = "/api/v1/nodes/7/edge-cache";
            let body = json!({ "capacity": capacity });
            let enabled = contract.agent.ask(Method::POST, path, Some(&body));
            assert_eq!(enabled.await.unwrap().status, 204);
        }
        let status = contract.ask(operation, "good", good).await;
        // Without gossip no member has failed.
        let is_expected = (200..300).contains(&status) || (name == "forget_peer" && status == 404);
        assert!(is_expected, "{name}: {status}");
        if has_id && operation.method != "POST" {
            let unknown = contract.request(operation, "8", "");
            contract.ask(operation, "an unknown node", unknown).await;
        }
    }
}

/// Each operation is open to those whose token has the role that the description names, and to those above.
#[tokio::test]
async fn every_operation_asks_for_the_role_that_it_names() {
    const ROLES: [&str; 4] = ["read", "write", "admin", "stats"];
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let mut tokens = Vec::new();
    for role in ROLES {
        tokens.push(access::token(role, role).await);
    }
    access::write(&file, &tokens.iter().collect::<Vec<_>>());
    let agent = Agent::start(&["--node-id", "1", "--api-token-file", file.to_str().unwrap()])
        .await
        .unwrap();
    let document = agent.request(Method::GET, "/openapi.json");
    let document = document.bearer_auth(&tokens[0].secret).send().await;
    let contract = Contract {
        agent,
        description: Description::new(document.unwrap().json().await.unwrap()),
    };
    for operation in contract.description.operations().unwrap() {
        let request = || {
            let request = contract.request(&operation, "7", "?nonsense=1");
            // Nothing is done: the body is none.
            request.header(CONTENT_TYPE, "application/json")
        };
        let security = operation.said["security"].as_array().unwrap();
        let named = security
            .iter()
            .find_map(|scheme| scheme["bearer"][0].as_str());
        let Some(named) = named else {
            assert!(operation.path.starts_with("/health/"), "{}", operation.path);
            continue;
        };
        let allowed: &[&str] = match named {
            "stats" => &["stats", "write", "admin"],
            "read" => &["read", "write", "admin"],
            "write" => &["write", "admin"],
            "admin" => &["admin"],
            other => panic!("there is no role {other}"),
        };
        let status = contract.ask(&operation, "no token", request()).await;
        assert_eq!(status, 401, "{}", operation.path);
        for (role, token) in tokens.iter().enumerate() {
            let name = &operation.said["operationId"];
            let is_allowed = allowed.contains(&ROLES[role]);
            if is_allowed && (name == LEAVE || name == EVENTS) {
                continue;
            }
            let request = request().bearer_auth(&token.secret);
            let status = contract.ask(&operation, ROLES[role], request).await;
            assert_eq!(
                status == 403,
                !is_allowed,
                "{name} as {}: {status}",
                ROLES[role]
            );
            assert_ne!(status, 401, "{name}");
        }
    }
}

/// Answers of a single operation, each provoked on purpose.
#[tokio::test]
async fn answers_that_take_some_provoking_are_described_too() {
    let agent = start(&[]).await;
    let document = agent.get("/openapi.json").await.unwrap();
    let contract = Contract {
        agent,
        description: Description::new(document),
    };
    let capacity = json!({"cpu_cores": 0, "ram_mib": 0, "disk_mib": 0});
    let twice = json!({"node_id": 7, "capacity": capacity});
    let none = json!({"nodes": []});
    let long = format!("?key={}", "k".repeat(HEADERS_BYTES_MAX));
    for (name, id, query, header, body, expected) in [
        (
            "enable_node",
            "9",
            "?wait=1ms",
            None,
            Some(good_body("enable_node")),
            202,
        ),
        (
            "enable_node",
            "9",
            "",
            None,
            Some(json!({ "capacity": capacity })),
            422,
        ),
        ("show_node", "9", "", None, None, 200),
        ("show_node", "8", "", None, None, 404),
        (
            "add_stats",
            "8",
            "",
            None,
            Some(good_body("add_stats")),
            404,
        ),
        (
            "put_source",
            "8",
            "",
            None,
            Some(good_body("put_source")),
            404,
        ),
        ("disable_node", "8", "", None, None, 404),
        (
            "list_nodes",
            "",
            "",
            Some(("if-none-match", "*")),
            None,
            304,
        ),
        (
            "replace_nodes",
            "",
            "",
            Some(("if-match", "\"x\"")),
            Some(none),
            412,
        ),
        (
            "replace_nodes",
            "",
            "",
            None,
            Some(json!({"nodes": [twice]})),
            200,
        ),
        (
            "replace_nodes",
            "",
            "",
            None,
            Some(json!({"nodes": [twice, twice]})),
            422,
        ),
        ("list_members", "", "?status=failed", None, None, 200),
        ("route_key", "", long.as_str(), None, None, 431),
    ] {
        let operations = contract.description.operations().unwrap();
        let operation = operations
            .iter()
            .find(|operation| operation.said["operationId"] == name)
            .unwrap();
        let mut request = contract.request(operation, id, query);
        if let Some((header, value)) = header {
            request = request.header(header, value);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let status = contract.ask(operation, "on purpose", request).await;
        assert_eq!(status, expected, "{name} {id}{query}");
    }
}

#[tokio::test]
async fn each_path_takes_the_methods_that_are_described() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let description = Description::new(agent.get("/openapi.json").await.unwrap());
    let operations = description.operations().unwrap();
    let paths: BTreeSet<_> = operations.iter().map(|operation| operation.path).collect();
    assert!(paths.contains("/openapi.json"));
    for path in paths {
        let method = Method::from_bytes(b"PROPFIND").unwrap();
        let path_of_one = path.replace("{id}", "7").replace("{source}", "cache-1");
        let request = agent.request(method, &path_of_one);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        let allowed = answer.headers()[ALLOW].to_str().unwrap().split(',');
        let allowed: BTreeSet<_> = allowed.map(str::to_string).collect();
        assert_eq!(allowed, description.methods(path).unwrap(), "{path}");
    }
}

#[test]
fn the_check_finds_what_does_not_fit() {
    let description = Description::new(json!({"components": {"schemas": {"Small": {
        "type": "object", "required": ["n"], "additionalProperties": false,
        "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}, "t": {"type": ["string", "null"], "maxLength": 2}},
    }}}}));
    let small = json!({"$ref": "#/components/schemas/Small"});
    let fits = |value: Value| description.fits(&small, &value, "body").is_ok();
    assert!(
        fits(json!({"n": 9}))
            && fits(json!({"n": 0, "t": null}))
            && fits(json!({"n": 1, "t": "ab"}))
    );
    for wrong in [
        json!([]),
        json!({}),
        json!({"n": 10}),
        json!({"n": -1}),
        json!({"n": 1.5}),
        json!({"n": 1, "t": "abc"}),
        json!({"n": 1, "more": 1}),
    ] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
    let unknown = json!({"uniqueItems": true});
    assert!(description.fits(&unknown, &json!("x"), "body").is_err());
}
