//! Who may do what.
//!
//! With a token file, every request but those for health carries a token, and the token's role must reach what
//! its route needs. Without one, the API is reached from this machine only, and whoever reaches it may read and
//! write. A token never appears in a log line or an answer; its name does.

mod needs;
mod role;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::kinds;
use super::problem::{Problem, quoted};
use super::trace::PATH_BYTES_MAX;
use edge_cache_core::text;

pub use role::{Role, RoleError};
pub use tokens::{NewToken, TokenError, Tokens, TokensError};

pub(super) use needs::{Need, need};

#[cfg(test)]
mod tests;

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
#[derive(Debug)]
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

    /// Whether a request comes in: else 401, or 403 where the caller's role does not reach what it needs. Before
    /// that the name of the token that it came with. What is not there needs no role, and has no `need`: whoever
    /// has a token is told so.
    pub(super) fn admit(
        &self,
        need: Option<Need>,
        request: &Request,
    ) -> (Option<Arc<str>>, Result<(), Problem>) {
        if need == Some(Need::Nothing) {
            return (None, Ok(()));
        }
        let Caller { name, role } = match self.caller(request.headers()) {
            Ok(caller) => caller,
            Err(detail) => return (None, Err(Problem::new(&kinds::UNAUTHORIZED, detail))),
        };
        if let Some(Need::Role(need)) = need
            && role < need
        {
            let refusal = forbidden(need, name.as_deref(), role);
            return (name, Err(refusal));
        }
        if let (Some(Need::Role(Role::Admin)), Some(token)) = (need, &name) {
            // Before it is done: what an agent was told that died of it is to be known.
            let path = text::clean(request.uri().path(), PATH_BYTES_MAX);
            tracing::info!(%token, method = %request.method(), path, "asked over HTTP");
        }
        (name, Ok(()))
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

fn forbidden(need: Role, name: Option<&str>, role: Role) -> Problem {
    let detail = match name {
        Some(name) => format!(
            "this needs the role `{need}`; the token {} has `{role}`",
            quoted(name)
        ),
        None => format!(
            "this needs the role `{need}`, which nobody has without tokens: start the agent with \
             `--api-token-file`, or with `--allow-local-admin`"
        ),
    };
    Problem::new(&kinds::ROLE_TOO_LOW, detail)
}
