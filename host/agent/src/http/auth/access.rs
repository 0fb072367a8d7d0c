//! The rule by which callers are known.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::role::Role;
use super::tokens::{Tokens, TokensError};
use edge_cache_core::text;

/// The rule by which callers are known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access(pub(super) Arc<Rule>);

#[derive(Debug)]
pub(super) enum Rule {
    /// Every caller has this role.
    Local(Role),
    /// Callers have a token of this file.
    Tokens {
        file: PathBuf,
        tokens: watch::Sender<Tokens>,
    },
}

impl Access {
    /// Every caller reads and writes: for an API that is reached from this machine only.
    #[must_use]
    pub fn local() -> Self {
        Self(Arc::new(Rule::Local(Role::Write)))
    }

    /// Every caller has all roles: for an API that is reached from this machine only.
    #[must_use]
    pub fn local_admin() -> Self {
        Self(Arc::new(Rule::Local(Role::Admin)))
    }

    /// Every caller reads: for the listener for health.
    pub(in crate::http) fn read_only() -> Self {
        Self(Arc::new(Rule::Local(Role::Read)))
    }

    /// Callers have a token of this file.
    ///
    /// # Errors
    ///
    /// Any [`TokensError`].
    pub fn with_tokens(file: PathBuf) -> Result<Self, TokensError> {
        let tokens = watch::Sender::new(Tokens::read(&file)?);
        Ok(Self(Arc::new(Rule::Tokens { file, tokens })))
    }

    /// Reloads the token file. One that cannot be used changes nothing.
    pub fn reload(&self) {
        let Rule::Tokens { file, tokens } = &*self.0 else {
            return;
        };
        match Tokens::read(file) {
            Ok(read) => {
                tracing::info!(tokens = read.len(), "API tokens replaced");
                tokens.send_replace(read);
            }
            Err(error) => {
                let error = text::error_chain(&error);
                tracing::error!(error, file = %file.display(), "the API tokens stay as they are");
            }
        }
    }
}
