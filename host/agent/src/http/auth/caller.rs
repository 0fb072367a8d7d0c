//! The caller of one request.

use std::future::pending;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::access::{Access, Rule};
use super::role::Role;
use super::tokens::Token;

/// The caller of one request, in its extensions once it is authenticated.
#[derive(Debug, Clone)]
pub(in crate::http) struct Caller {
    /// The token of the request; none where the agent has no tokens.
    pub(super) token: Option<Token>,
    pub(super) role: Role,
    access: Access,
}

impl Caller {
    /// Authenticates a request by its headers. The error is the text for the client.
    pub(super) fn of(access: &Access, headers: &HeaderMap) -> Result<Self, &'static str> {
        let token = match &*access.0 {
            Rule::Local(role) => {
                return Ok(Self {
                    token: None,
                    role: *role,
                    access: access.clone(),
                });
            }
            Rule::Tokens { tokens, .. } => {
                if !headers.contains_key(AUTHORIZATION) {
                    return Err("the header `Authorization` is missing: it must be `Bearer TOKEN`");
                }
                bearer(headers).and_then(|secret| tokens.borrow().find(secret))
            }
        };
        // One text for malformed and unknown tokens.
        let token = token.ok_or(
            "the header `Authorization` must be `Bearer TOKEN` with a token that this agent knows",
        )?;
        Ok(Self {
            role: token.role,
            token: Some(token),
            access: access.clone(),
        })
    }

    /// Waits until the token of the request is revoked; for ever where there is none.
    pub(in crate::http) async fn revoked(&self) {
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
