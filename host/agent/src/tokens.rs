//! The tokens of an agent, from a file.
//!
//! The file holds no token: a line has a token's name, role and hash. A token is 32 random bytes, so a plain SHA-256
//! is enough; slow hashes make passwords hard to guess, and 32 random bytes cannot be guessed. No error, no log line
//! and no `Debug` shows a token or a hash.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use strum::{Display, EnumString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::settings::values::{self, SHA256_BYTES};
use crate::trusted_file;

#[cfg(test)]
mod tests;

/// The most tokens of a file. Each request is compared with all of them.
const TOKENS_MAX: usize = 1_000;
/// The longest name of a token, in bytes.
const NAME_BYTES_MAX: usize = 64;
const TOKEN_BYTES: usize = 32;
/// The prefix of every token, by which a leaked one is recognised.
const TOKEN_PREFIX: &str = "ect_";
const HASH_PREFIX: &str = "sha256:";

/// The role of a token. Each of `read`, `write` and `admin` includes those before it; `write` includes `stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// Puts absolute counters, and nothing else.
    Stats,
    /// Reads everything but the plugin's log.
    Read,
    /// Changes registrations and counters.
    Write,
    /// Reloads the agent, replaces the plugin, reads its log, and makes the agent leave.
    Admin,
}

/// The tokens of a file: at least one, each with a name of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

/// A token without its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    hash: [u8; SHA256_BYTES],
}

/// A new token. Its secret is shown once.
pub struct NewToken {
    /// The secret that its bearer sends.
    pub secret: Zeroizing<String>,
    /// The line for the token file, without a line break.
    pub line: String,
}

impl Role {
    /// Parses the name of a role.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "a role is `stats`, `read`, `write` or `admin`".to_string())
    }

    /// Tells whether this role includes another one.
    pub(crate) fn includes(self, other: Self) -> bool {
        match self {
            Self::Stats | Self::Read => self == other,
            Self::Write => other != Self::Admin,
            Self::Admin => true,
        }
    }
}

impl Tokens {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = trusted_file::read_secret(file)?;
        let text = std::str::from_utf8(&text).ok();
        Self::parse(text.context("it must be text, a token a line")?)
    }

    /// Parses the text of a token file. Lines that are empty or begin with `#` are comments.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut tokens: Vec<(usize, Token)> = Vec::new();
        for (line, content) in (1_usize..).zip(text.lines().map(str::trim)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let token = Token::parse(content).map_err(|reason| anyhow!("line {line} {reason}"))?;
            let same = |other: &Token| other.name == token.name || other.hash == token.hash;
            if let Some((first, _)) = tokens.iter().find(|(_, other)| same(other)) {
                bail!(
                    "line {line} repeats the name or the token of line {first}: each may be listed once"
                );
            }
            if tokens.len() >= TOKENS_MAX {
                bail!("line {line} is one token too many: at most {TOKENS_MAX} are allowed");
            }
            tokens.push((line, token));
        }
        if tokens.is_empty() {
            // It would refuse every request.
            bail!("it holds no token: at least one is needed");
        }
        Ok(Self(tokens.into_iter().map(|(_, token)| token).collect()))
    }

    /// Returns the number of tokens.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Finds the token with this secret. Every token is compared in constant time.
    pub(crate) fn find(&self, secret: &str) -> Option<Token> {
        let hash = hash(secret);
        let mut found = None;
        for token in &self.0 {
            if token.hash.ct_eq(&hash).into() {
                found = Some(token.clone());
            }
        }
        found
    }

    /// Returns whether a token is still listed, with a role that includes the one it had.
    pub(crate) fn has(&self, token: &Token) -> bool {
        let mut tokens = self.0.iter();
        tokens.any(|other| other.hash == token.hash && other.role.includes(token.role))
    }
}

impl Token {
    /// Parses a line; the error is its reason.
    fn parse(text: &str) -> Result<Self, String> {
        let not_a_line = || {
            "must be `NAME ROLE sha256:HEX`, as `edge-cache-agent token new` prints it".to_string()
        };
        let words: Vec<_> = text.split_whitespace().collect();
        let [name, role, hash] = words[..] else {
            return Err(not_a_line());
        };
        check_name(name).map_err(|error| format!("is wrong: {error}"))?;
        let role = Role::parse(role).map_err(|error| format!("is wrong: {error}"))?;
        let hash = hash
            .strip_prefix(HASH_PREFIX)
            .and_then(|hash| values::parse_sha256(hash).ok())
            .ok_or_else(not_a_line)?;
        Ok(Self {
            name: name.into(),
            role,
            hash,
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.role)
    }
}

impl NewToken {
    /// Makes a token from random bytes of the system.
    ///
    /// # Errors
    ///
    /// The name does not fit a line, or the system has no random bytes to give.
    pub fn generate(name: &str, role: Role) -> Result<Self> {
        check_name(name)?;
        let mut bytes = Zeroizing::new([0_u8; TOKEN_BYTES]);
        getrandom::fill(bytes.as_mut_slice())
            .context("the system gives no random bytes for a token")?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        let secret = Zeroizing::new(format!("{TOKEN_PREFIX}{}", *text));
        let line = format!("{name} {role} {HASH_PREFIX}{}", hex::encode(hash(&secret)));
        Ok(Self { secret, line })
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken").finish_non_exhaustive()
    }
}

fn check_name(name: &str) -> Result<()> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    ensure!(
        fits && name.bytes().all(plain),
        "the name of a token has 1 to {NAME_BYTES_MAX} letters, digits, dots, dashes and underscores"
    );
    Ok(())
}

fn hash(secret: &str) -> [u8; SHA256_BYTES] {
    Sha256::digest(secret.as_bytes()).into()
}
