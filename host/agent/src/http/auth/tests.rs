use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use futures_util::FutureExt;
use tower::ServiceExt;

use super::{Access, Caller, authenticate};
use crate::http::operation::{Admission, admit};
use crate::reload::Reloaded;
use crate::tokens::{NewToken, Role};

const ROLES: [(&str, Role); 4] = [
    ("/stats", Role::Stats),
    ("/read", Role::Read),
    ("/write", Role::Write),
    ("/admin", Role::Admin),
];

fn only(role: Role) -> Arc<Admission> {
    Arc::new(Admission {
        role: Some(role),
        ..Admission::default()
    })
}

/// A route for each role.
fn routes(access: Access) -> Router {
    let mut routes = Router::new();
    for (path, role) in ROLES {
        let route = get(async || "in").route_layer(from_fn_with_state(only(role), admit));
        routes = routes.route(path, route);
    }
    routes.layer(from_fn_with_state(access, authenticate))
}

struct Known {
    access: Access,
    file: tempfile::NamedTempFile,
    tokens: Vec<(Role, NewToken)>,
}

fn write(file: &tempfile::NamedTempFile, tokens: &[(Role, NewToken)]) {
    let lines = tokens.iter().map(|(_, token)| token.line.clone() + "\n");
    std::fs::write(file.path(), lines.collect::<String>()).unwrap();
}

fn known() -> Known {
    let tokens: Vec<(Role, NewToken)> = ROLES
        .map(|(_, role)| (role, NewToken::generate(&role.to_string(), role).unwrap()))
        .into();
    let file = tempfile::NamedTempFile::new().unwrap();
    write(&file, &tokens);
    let access = Access::with_tokens(file.path().to_owned()).unwrap();
    Known {
        access,
        file,
        tokens,
    }
}

async fn ask(access: &Access, method: Method, path: &str, headers: &[&str]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for value in headers {
        request = request.header(AUTHORIZATION, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    routes(access.clone()).oneshot(request).await.unwrap()
}

async fn text(answer: Response) -> String {
    let bytes = axum::body::to_bytes(answer.into_body(), 4096).await;
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn every_role_includes_itself_and_others_as_documented() {
    use Role::{Admin, Read, Stats, Write};
    let known = known();
    for (path, needed) in ROLES {
        let status = ask(&known.access, Method::GET, path, &[]).await.status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        for (role, token) in &known.tokens {
            let header = format!("Bearer {}", *token.secret);
            let answer = ask(&known.access, Method::GET, path, &[&header]).await;
            let is_included = match role {
                Stats => needed == Stats,
                Read => needed == Read,
                Write => needed != Admin,
                Admin => true,
            };
            let status = if is_included { 200 } else { 403 };
            assert_eq!(answer.status().as_u16(), status, "{role}: {path}");
        }
    }
}

#[tokio::test]
async fn an_operation_without_authentication_is_closed() {
    let route = get(async || "in").route_layer(from_fn_with_state(only(Role::Read), admit));
    let routes: Router = Router::new().route("/", route);
    let request = Request::get("/").body(Body::empty()).unwrap();
    let answer = routes.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn unknown_paths_and_methods_need_a_token_too() {
    let known = known();
    let reader = format!("Bearer {}", *known.tokens[1].1.secret);
    for (method, path, status) in [(Method::GET, "/nope", 404), (Method::POST, "/read", 405)] {
        let answer = ask(&known.access, method.clone(), path, &[]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let answer = ask(&known.access, method.clone(), path, &[&reader]).await;
        assert_eq!(answer.status().as_u16(), status);
        let answer = ask(&Access::local(Role::Write), method, path, &[]).await;
        assert_eq!(answer.status().as_u16(), status);
    }
}

#[tokio::test]
async fn malformed_and_unknown_tokens_get_one_answer() {
    let known = known();
    let secret = &*known.tokens[2].1.secret;
    let good = format!("Bearer {secret}");
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
        let answer = ask(&known.access, Method::GET, "/read", headers).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], "Bearer");
        texts.push(text(answer).await);
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    assert!(!texts[0].contains("missing"), "{texts:?}");
    let missing = ask(&known.access, Method::GET, "/read", &[]).await;
    assert!(text(missing).await.contains("is missing"));
    for good in [&good, &format!("bearer {secret}")] {
        let answer = ask(&known.access, Method::GET, "/read", &[good]).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_refusal_names_the_role_needed_and_the_role_had() {
    let known = known();
    let header = format!("Bearer {}", *known.tokens[1].1.secret);
    let answer = ask(&known.access, Method::GET, "/admin", &[&header]).await;
    let said = text(answer).await;
    assert!(
        said.contains("`admin`") && said.contains("`read`"),
        "{said}"
    );
    let local = ask(&Access::local(Role::Write), Method::GET, "/admin", &[]).await;
    let said = text(local).await;
    assert!(said.contains("--allow-local-admin"), "{said}");
    let admin = ask(&Access::local(Role::Admin), Method::GET, "/admin", &[]).await;
    assert_eq!(admin.status(), StatusCode::OK);
}

#[tokio::test]
async fn only_what_admins_ask_for_with_a_token_is_logged() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let lines = tracing_subscriber::fmt().with_writer(Mutex::new(log.reopen().unwrap()));
    let _logging = tracing::subscriber::set_default(lines.with_ansi(false).finish());
    let known = known();
    let admin = format!("Bearer {}", *known.tokens[3].1.secret);
    for (path, _) in ROLES {
        let answer = ask(&known.access, Method::GET, path, &[&admin]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer = ask(&Access::local(Role::Admin), Method::GET, path, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let log = std::fs::read_to_string(log.path()).unwrap();
    let mut lines = log.lines().filter(|line| line.contains("asked over HTTP"));
    let line = lines.next().unwrap_or_default();
    assert!(
        line.contains("path=\"/admin\"") && line.contains("method=GET"),
        "{log}"
    );
    assert_eq!(lines.next(), None);
}

/// Returns a caller for each token.
fn callers(known: &Known) -> Vec<Caller> {
    let callers = known.tokens.iter().map(|(_, token)| {
        let header = format!("Bearer {}", *token.secret).parse().unwrap();
        let headers = axum::http::HeaderMap::from_iter([(AUTHORIZATION, header)]);
        Caller::of(&known.access, &headers).unwrap()
    });
    callers.collect()
}

#[test]
fn a_caller_has_the_role_of_its_token() {
    let known = known();
    let roles = callers(&known)
        .into_iter()
        .map(|caller| caller.token_role());
    let expected = known.tokens.iter().map(|(role, _)| Some(*role));
    assert!(roles.eq(expected));
    assert!(known.access.has_tokens());
    let local = Access::local(Role::Admin);
    let caller = Caller::of(&local, &axum::http::HeaderMap::new()).unwrap();
    assert_eq!(caller.token_role(), None);
    assert!(!local.has_tokens());
}

#[tokio::test]
async fn a_token_is_revoked_by_a_reload_without_it() {
    let mut known = known();
    let callers = callers(&known);
    let [_, reader, writer, _] = &callers[..] else {
        unreachable!()
    };
    known.tokens.remove(1);
    write(&known.file, &known.tokens);
    let mut waiting = Box::pin(reader.revoked());
    assert!(waiting.as_mut().now_or_never().is_none());
    let reloaded = known.access.reload().unwrap();
    assert!(matches!(reloaded, Reloaded::Changed(_)), "{reloaded:?}");
    waiting.await;
    assert!(writer.revoked().now_or_never().is_none());
}
