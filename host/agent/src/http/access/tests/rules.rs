use axum::body::Body;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;

use super::super::needs::{self, NEEDS, Need};
use super::super::{Access, NewToken, Role};
use crate::http::gate::{Gate, Routes};
use crate::http::guard::Hosts;
use crate::http::operation::{Operation, handler};
use crate::metrics::HttpMetrics;

const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
];

/// Every listed route for every method, one that nobody listed, and one for a single method, behind the gate.
fn behind_gate(access: Access) -> Routes {
    let listed = NEEDS.iter().map(|(path, _)| *path);
    let all = listed.chain(["/new"]);
    let all = all.flat_map(|path| METHODS.map(|method| (path, method)));
    let operations = all.chain([("/one", Method::GET)]);
    let operations = operations.map(|(path, method)| Operation {
        template: path.to_string(),
        method,
        handler: handler(async || "in", ()),
    });
    let gate = Gate {
        metrics: HttpMetrics::default(),
        hosts: Hosts::Any,
        access: Some(access),
    };
    Routes::new(operations, gate)
}

struct Known {
    access: Access,
    tokens: Vec<(Role, NewToken)>,
}

fn known() -> Known {
    let roles = [Role::Read, Role::Write, Role::Admin];
    let tokens: Vec<(Role, NewToken)> = roles
        .map(|role| (role, NewToken::generate(&role.to_string(), role).unwrap()))
        .into();
    let text: String = tokens
        .iter()
        .map(|(_, token)| token.line.clone() + "\n")
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let access = Access::with_tokens(file.path().to_owned()).unwrap();
    Known { access, tokens }
}

async fn ask(access: &Access, method: &Method, path: &str, headers: &[&str]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for value in headers {
        request = request.header(AUTHORIZATION, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    behind_gate(access.clone()).answer(request).await
}

async fn text(answer: Response) -> String {
    let bytes = axum::body::to_bytes(answer.into_body(), 4096).await;
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn every_route_and_method_asks_for_its_role() {
    let known = known();
    for (path, listed) in NEEDS {
        for method in &METHODS {
            let need = listed
                .iter()
                .find(|(one, _)| one == method)
                .map_or(Need::Role(Role::Admin), |(_, need)| *need);
            assert_eq!(needs::need(path, method), need);
            let status = ask(&known.access, method, path, &[]).await.status();
            let open = need == Need::Nothing;
            assert_eq!(
                status.as_u16(),
                if open { 200 } else { 401 },
                "{method} {path}"
            );
            for (role, token) in &known.tokens {
                let header = format!("Bearer {}", *token.secret);
                let answer = ask(&known.access, method, path, &[&header]).await;
                let reaches = open || matches!(need, Need::Role(need) if *role >= need);
                let status = if reaches { 200 } else { 403 };
                assert_eq!(answer.status().as_u16(), status, "{role}: {method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_route_that_nobody_listed_is_closed() {
    let known = known();
    for (role, token) in &known.tokens {
        let header = format!("Bearer {}", *token.secret);
        let answer = ask(&known.access, &Method::GET, "/new", &[&header]).await;
        assert_eq!(answer.status() == StatusCode::OK, *role == Role::Admin);
    }
    let local = ask(&Access::local(), &Method::GET, "/new", &[]).await;
    assert_eq!(local.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_not_there_is_told_to_those_who_may_look() {
    let known = known();
    let reader = format!("Bearer {}", *known.tokens[0].1.secret);
    for (method, path, status) in [(Method::GET, "/nope", 404), (Method::POST, "/one", 405)] {
        let answer = ask(&known.access, &method, path, &[]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let answer = ask(&known.access, &method, path, &[&reader]).await;
        assert_eq!(answer.status().as_u16(), status);
        let answer = ask(&Access::local(), &method, path, &[]).await;
        assert_eq!(answer.status().as_u16(), status);
    }
}

#[tokio::test]
async fn malformed_and_unknown_tokens_get_one_answer() {
    let known = known();
    let secret = &*known.tokens[2].1.secret;
    let good = format!("Bearer {secret}");
    let path = "/api/v1/plugin";
    let mut texts = Vec::new();
    for headers in [
        &["Bearer"][..],
        &["Bearer "],
        &["Basic dTpw"],
        &[secret],
        &["Bearer ect_unknown"],
        &[&format!("Bearer {secret}x")],
        &[&good, &good],
    ] {
        let answer = ask(&known.access, &Method::GET, path, headers).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], "Bearer");
        texts.push(text(answer).await);
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    assert!(!texts[0].contains("missing"), "{texts:?}");
    let missing = ask(&known.access, &Method::GET, path, &[]).await;
    assert!(text(missing).await.contains("is missing"));
    for good in [&good, &format!("bearer {secret}")] {
        let answer = ask(&known.access, &Method::GET, path, &[good]).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_refusal_names_the_role_needed_and_the_role_had() {
    let known = known();
    let header = format!("Bearer {}", *known.tokens[0].1.secret);
    let answer = ask(&known.access, &Method::PUT, "/api/v1/plugin", &[&header]).await;
    let said = text(answer).await;
    assert!(
        said.contains("`admin`") && said.contains("`read`"),
        "{said}"
    );
    let local = ask(&Access::local(), &Method::PUT, "/api/v1/plugin", &[]).await;
    let said = text(local).await;
    assert!(said.contains("--allow-local-admin"), "{said}");
    let admin = ask(&Access::local_admin(), &Method::PUT, "/api/v1/plugin", &[]).await;
    assert_eq!(admin.status(), StatusCode::OK);
}
