//! Who may do what.
//!
//! With a token file, every request but those for health carries a token, and the token's role must reach what
//! its route needs. Without one, the API is reached from this machine only, and whoever reaches it may read and
//! write. Two steps: `identify` says who asks, on every request; `authorise` says whether they may, on those
//! that a route takes. A token never appears in a log line or an answer; its name does.

mod role;
mod routes;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::kinds;
use super::problem::{Problem, quoted};
use crate::text;

pub use role::{Role, RoleError};
pub use tokens::{NewToken, TokenError, Tokens, TokensError};

use routes::Need;

#[cfg(test)]
mod tests;

const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
/// The longest path in a log line, in bytes.
const PATH_BYTES_MAX: usize = 256;

/// Who is let in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access(Arc<Rule>);

#[derive(Debug)]
enum Rule {
    /// Everybody, with this role.
    Local(Role),
    /// Those with a token of this file.
    Tokens {
        file: PathBuf,
        tokens: ArcSwap<Tokens>,
    },
}

/// Who asks.
#[derive(Debug, Clone)]
struct Caller {
    /// The token's name; none without tokens.
    name: Option<Arc<str>>,
    role: Role,
}

impl Access {
    /// Everybody reads and writes. For an API that is reached from this machine only.
    #[must_use]
    pub fn local() -> Self {
        Self(Arc::new(Rule::Local(Role::Write)))
    }

    /// Everybody does everything. For an API that is reached from this machine only.
    #[must_use]
    pub fn local_admin() -> Self {
        Self(Arc::new(Rule::Local(Role::Admin)))
    }

    /// Those with a token of this file.
    ///
    /// # Errors
    ///
    /// Any [`TokensError`].
    pub fn with_tokens(file: PathBuf) -> Result<Self, TokensError> {
        let tokens = ArcSwap::from_pointee(Tokens::read(&file)?);
        Ok(Self(Arc::new(Rule::Tokens { file, tokens })))
    }

    /// Reads the token file again. One that can't be used changes nothing.
    pub fn reread(&self) {
        let Rule::Tokens { file, tokens } = &*self.0 else {
            return;
        };
        match Tokens::read(file) {
            Ok(read) => {
                tracing::info!(tokens = read.len(), "API tokens replaced");
                tokens.store(Arc::new(read));
            }
            Err(error) => {
                let error = text::error_chain(&error);
                tracing::error!(error, file = %file.display(), "the API tokens stay as they are");
            }
        }
    }

    /// Says who asks, or answers 401. What is open to everybody is not asked for a token.
    pub(super) fn identify(&self, request: &mut Request) -> Option<Response> {
        if needed(request) == Some(Need::Nothing) {
            return None;
        }
        match self.caller(request.headers()) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                None
            }
            Err(detail) => Some(unauthorized(detail)),
        }
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, &'static str> {
        match &*self.0 {
            Rule::Local(role) => Ok(Caller {
                name: None,
                role: *role,
            }),
            Rule::Tokens { tokens, .. } => {
                if !headers.contains_key(AUTHORIZATION) {
                    return Err("the header `Authorization` is missing: it must be `Bearer TOKEN`");
                }
                // One text for a token that is malformed and one that is unknown.
                let wrong = "the header `Authorization` must be `Bearer TOKEN` with a token that this agent knows";
                let tokens = tokens.load();
                let (name, role) = bearer(headers)
                    .and_then(|token| tokens.find(token))
                    .ok_or(wrong)?;
                Ok(Caller {
                    name: Some(name),
                    role,
                })
            }
        }
    }
}

/// Has a request answered, or answers 403 where the caller's role does not reach what the route needs. For the
/// routes alone: a path or a method that is not there has no role. What takes more than `read` is logged with the
/// token's name.
pub(super) async fn authorise(request: Request, next: Next) -> Response {
    let need = match needed(&request) {
        Some(Need::Nothing) => return next.run(request).await,
        Some(Need::Role(role)) => role,
        None => Role::Admin,
    };
    let caller = request.extensions().get::<Caller>();
    let name = match caller {
        Some(caller) if caller.role >= need => caller.name.clone(),
        _ => return forbidden(need, caller),
    };
    let Some(name) = name.filter(|_| need > Role::Read) else {
        return next.run(request).await;
    };
    // Before it is made: a client that hangs up is to be named too.
    let path = text::clean(request.uri().path(), PATH_BYTES_MAX);
    tracing::info!(token = %name, method = %request.method(), path, "asked over HTTP");
    next.run(request).await
}

/// What the request's route needs; none where there is no route.
fn needed(request: &Request) -> Option<Need> {
    let path = request.extensions().get::<MatchedPath>()?;
    // A route for GET takes HEAD too.
    let method = match *request.method() {
        Method::HEAD => &Method::GET,
        ref other => other,
    };
    Some(routes::need(path.as_str(), method))
}

/// The token, of a header as RFC 6750 has it.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}

fn unauthorized(detail: &'static str) -> Response {
    let mut answer = Problem::new(&kinds::UNAUTHORIZED, detail).into_response();
    answer.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
    answer
}

fn forbidden(need: Role, caller: Option<&Caller>) -> Response {
    let detail = match caller {
        Some(Caller {
            name: Some(name),
            role,
        }) => format!(
            "this needs the role `{need}`; the token {} has `{role}`",
            quoted(name)
        ),
        _ => format!(
            "this needs the role `{need}`, which nobody has without tokens: start the agent with \
             `--api-token-file`, or with `--allow-local-admin`"
        ),
    };
    Problem::new(&kinds::ROLE_TOO_LOW, detail).into_response()
}
