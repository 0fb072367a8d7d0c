//! Authentication by bearer tokens, and authorisation by role.
//!
//! With a token file every request but those for health carries a token, and the token's role must include the role of
//! the operation. Without one the API is reached from this machine only, and every caller may read and write. A token
//! never appears in a log line or an answer; its name does.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tracing::Span;
use tracing::field::display;

use super::problem::{Problem, quoted};
use super::trace::{PATH_BYTES_MAX, TOKEN_FIELD};
use crate::reload::Reloaded;
use crate::tokens::{Role, Token, Tokens};
use edge_cache_api::ProblemType;
use edge_cache_core::text;

#[cfg(test)]
mod tests;

/// The rule by which callers are known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access(Arc<Rule>);

#[derive(Debug)]
enum Rule {
    /// Every caller has this role.
    Local(Role),
    /// Callers have a token of this file.
    Tokens {
        file: PathBuf,
        tokens: watch::Sender<Tokens>,
    },
}

/// The caller of one request, in its extensions once it is authenticated.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The token of the request; none where the agent has no tokens.
    token: Option<Token>,
    role: Role,
    access: Access,
}

impl Access {
    /// Every caller has this role: for an API that is reached from this machine only, and for health.
    #[must_use]
    pub fn local(role: Role) -> Self {
        Self(Arc::new(Rule::Local(role)))
    }

    /// Callers have a token of this file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a line of it is no token.
    pub fn with_tokens(file: PathBuf) -> Result<Self> {
        let tokens = watch::Sender::new(Tokens::read(&file)?);
        Ok(Self(Arc::new(Rule::Tokens { file, tokens })))
    }

    /// Returns whether callers need a token.
    pub(crate) fn has_tokens(&self) -> bool {
        matches!(*self.0, Rule::Tokens { .. })
    }

    /// Reads the token file again. After an error the tokens are those of before.
    pub(crate) fn reload(&self) -> Result<Reloaded> {
        let (file, tokens) = match &*self.0 {
            Rule::Local(_) => return Ok(Reloaded::Unchanged("no tokens".to_string())),
            Rule::Tokens { file, tokens } => (file, tokens),
        };
        let read = Tokens::read(file).with_context(|| format!("cannot use {}", file.display()))?;
        let detail = format!("tokens: {}", read.len());
        let is_changed = tokens.send_if_modified(|tokens| {
            let is_changed = *tokens != read;
            *tokens = read;
            is_changed
        });
        Ok(if is_changed {
            Reloaded::Changed(detail)
        } else {
            Reloaded::Unchanged(detail)
        })
    }
}

impl Caller {
    /// Authenticates a request by its headers. The error is the text for the client.
    fn of(access: &Access, headers: &HeaderMap) -> Result<Self, &'static str> {
        let (token, role) = match &*access.0 {
            Rule::Local(role) => (None, *role),
            Rule::Tokens { .. } if !headers.contains_key(AUTHORIZATION) => {
                return Err("the header `Authorization` is missing: it must be `Bearer TOKEN`");
            }
            Rule::Tokens { tokens, .. } => {
                let token = bearer(headers).and_then(|secret| tokens.borrow().find(secret));
                // One text for malformed and unknown tokens.
                let token = token.ok_or(
                    "the header `Authorization` must be `Bearer TOKEN` with a token that this agent knows",
                )?;
                let role = token.role;
                (Some(token), role)
            }
        };
        Ok(Self {
            token,
            role,
            access: access.clone(),
        })
    }

    /// Returns the role of the token of the request; none where the agent has no tokens.
    pub(super) fn token_role(&self) -> Option<Role> {
        self.token.as_ref().map(|token| token.role)
    }

    /// Waits until the token of the request is revoked; for ever where there is none.
    pub(super) async fn revoked(&self) {
        let (Rule::Tokens { tokens, .. }, Some(token)) = (&*self.access.0, &self.token) else {
            return pending().await;
        };
        // The sender lives as long as `access`, which makes an error impossible.
        let _ = tokens
            .subscribe()
            .wait_for(|tokens| !tokens.has(token))
            .await;
    }
}

/// Returns the token of a header as RFC 6750 has it.
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

/// Puts the [`Caller`] into the extensions of a request, or answers 401.
pub(super) async fn authenticate(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Response {
    match Caller::of(&access, request.headers()) {
        Ok(caller) => {
            if let Some(token) = &caller.token {
                Span::current().record(TOKEN_FIELD, display(&token.name));
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(detail) => Problem::new(ProblemType::Unauthorized, detail).into_response(),
    }
}

/// Refuses a request where the caller's role does not include the role of the operation.
pub(super) fn authorize(needed: Role, request: &Request) -> Result<(), Problem> {
    let caller = request.extensions().get::<Caller>();
    let token = caller.and_then(|caller| caller.token.as_ref());
    if caller.is_none_or(|caller| !caller.role.includes(needed)) {
        return Err(forbidden(needed, token));
    }
    if needed == Role::Admin && token.is_some() {
        // Logged before it is done: an operation may end the agent.
        let path = text::clean(request.uri().path(), PATH_BYTES_MAX);
        tracing::info!(method = %request.method(), path, "asked over HTTP");
    }
    Ok(())
}

fn forbidden(needed: Role, token: Option<&Token>) -> Problem {
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
