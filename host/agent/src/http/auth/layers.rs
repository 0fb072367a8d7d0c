//! The two middlewares: authentication of every request, authorisation of every operation.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::Access;
use super::caller::Caller;
use super::role::Role;
use crate::http::problem::{Problem, quoted};
use crate::http::trace::{PATH_BYTES_MAX, TokenName};
use edge_cache_api::ProblemType;
use edge_cache_core::text;

/// Puts the [`Caller`] into the extensions of a request, or answers 401.
pub(in crate::http) async fn authenticate(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Response {
    match Caller::of(&access, request.headers()) {
        Ok(caller) => {
            let logged = request.extensions().get::<TokenName>();
            if let (Some(logged), Some(token)) = (logged, &caller.token) {
                logged.set(token.name.clone());
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(detail) => Problem::new(ProblemType::Unauthorized, detail).into_response(),
    }
}

/// Answers 403 where the caller's role does not reach the role of the operation.
pub(in crate::http) async fn authorize(
    State(needed): State<Role>,
    request: Request,
    next: Next,
) -> Response {
    let caller = request.extensions().get::<Caller>();
    let Some(caller) = caller.filter(|caller| caller.role >= needed) else {
        return forbidden(needed, caller).into_response();
    };
    if let (Role::Admin, Some(token)) = (needed, &caller.token) {
        // Logged before it is done: an operation may end the agent.
        let path = text::clean(request.uri().path(), PATH_BYTES_MAX);
        tracing::info!(token = %token.name, method = %request.method(), path, "asked over HTTP");
    }
    next.run(request).await
}

fn forbidden(needed: Role, caller: Option<&Caller>) -> Problem {
    let token = caller.and_then(|caller| caller.token.as_ref());
    let detail = match token {
        Some(token) => format!(
            "this needs the role `{needed}`; the token {} has `{}`",
            quoted(&token.name),
            token.role
        ),
        None => format!(
            "this needs the role `{needed}`, which no caller has without tokens: start the agent with \
             `--api-token-file`, or with `--allow-local-admin`"
        ),
    };
    Problem::new(ProblemType::Forbidden, detail)
}
