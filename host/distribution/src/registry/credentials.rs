//! User names and passwords of registries, from a file in the format of docker's `config.json`.
//!
//! Only `auths` is read. A file that refers to a credential helper is refused: none is run.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// User names and passwords of registries. `Debug` hides them.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, Account>);

/// A user name and its password.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

/// A text that holds no usable credentials. No variant shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidCredentials {
    /// The text is no JSON of the expected form.
    #[error(
        "it must be JSON like docker's `config.json`: {{\"auths\":{{\"REGISTRY\":{{\"auth\":\"…\"}}}}}} (line {line}, column {column})"
    )]
    Json {
        /// The line of the error.
        line: usize,
        /// The column of the error.
        column: usize,
    },
    /// The text refers to a credential helper.
    #[error(
        "it names credential helpers (`{0}`), and an agent runs none: keep user name and password in `auths`, as `skopeo \
         login --authfile FILE` does"
    )]
    Helper(&'static str),
    /// No registry has an entry.
    #[error("it has no `auths`: name a registry with user name and password")]
    Empty,
    /// An entry has no user name and password.
    #[error(
        "the entry `{0}` of `auths` has no user name and password: `auth` must be base64 of USER:PASSWORD (an access \
         token can be the password)"
    )]
    Entry(String),
    /// An entry has a token of a kind that is not supported.
    #[error(
        "the entry `{0}` of `auths` has an identity token, which is not supported: use a user name and a password"
    )]
    IdentityToken(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, IgnoredAny>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<IgnoredAny>,
    registrytoken: Option<IgnoredAny>,
}

impl Credentials {
    /// Reads the content of a file like docker's `config.json`.
    ///
    /// # Errors
    ///
    /// Any [`InvalidCredentials`].
    pub fn from_json(text: &[u8]) -> Result<Self, InvalidCredentials> {
        let file: File =
            serde_json::from_slice(text).map_err(|error| InvalidCredentials::Json {
                line: error.line(),
                column: error.column(),
            })?;
        if file.creds_store.is_some_and(|name| !name.is_empty()) {
            return Err(InvalidCredentials::Helper("credsStore"));
        }
        if !file.cred_helpers.is_empty() {
            return Err(InvalidCredentials::Helper("credHelpers"));
        }
        if file.auths.is_empty() {
            return Err(InvalidCredentials::Empty);
        }
        let accounts = file.auths.into_iter().map(|(name, entry)| {
            if entry.identitytoken.is_some() || entry.registrytoken.is_some() {
                return Err(InvalidCredentials::IdentityToken(shown(&name)));
            }
            match entry.account() {
                Some(account) => Ok((key(&name).to_string(), account)),
                None => Err(InvalidCredentials::Entry(shown(&name))),
            }
        });
        Ok(Self(accounts.collect::<Result<_, _>>()?))
    }

    /// Returns the account for a repository: that of the longest entry that is the registry, or a path in it.
    pub(super) fn of(&self, registry: &str, repository: &str) -> Option<&Account> {
        let whole = format!("{registry}/{repository}");
        let mut name = whole.as_str();
        loop {
            if let Some(account) = self.0.get(name) {
                return Some(account);
            }
            name = name.rsplit_once('/')?.0;
        }
    }
}

impl Entry {
    fn account(self) -> Option<Account> {
        let (user, password) = match self.auth {
            Some(auth) => {
                let auth = Zeroizing::new(auth);
                let decoded = Zeroizing::new(STANDARD.decode(auth.trim_ascii()).ok()?);
                let text = std::str::from_utf8(&decoded).ok()?;
                let (user, password) = text.split_once(':')?;
                // Docker itself pads old entries with zero bytes.
                let password = password.trim_end_matches('\0');
                (user.to_string(), Zeroizing::new(password.to_string()))
            }
            None => (self.username?, Zeroizing::new(self.password?)),
        };
        (!user.is_empty() && !password.is_empty()).then_some(Account { user, password })
    }
}

/// Returns host and path of an entry's name, which may be a URL of one of the API's versions.
fn key(name: &str) -> &str {
    let name = name.strip_prefix("https://").unwrap_or(name);
    let name = name.strip_prefix("http://").unwrap_or(name);
    let name = name.trim_end_matches('/');
    let name = name.strip_suffix("/v1").unwrap_or(name);
    name.strip_suffix("/v2").unwrap_or(name)
}

/// Returns an entry's name as errors and `Debug` show it. A URL may hold a password.
fn shown(name: &str) -> String {
    let name = name.rsplit_once('@').map_or(name, |(_, host)| host);
    edge_cache_core::text::clean(name, 255)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.keys().map(|name| shown(name));
        f.debug_set().entries(names).finish()
    }
}
