//! The tokens of an agent, from a file.
//!
//! The file holds no token: a line has a token's name, role and hash. A token is 32 random bytes, so a plain SHA-256
//! is enough; slow hashes make passwords hard to guess, and 32 random bytes cannot be guessed. No error, no log line
//! and no `Debug` shows a token or a hash.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::role::{Role, RoleError};
use crate::trusted_file::{self, FileError};

/// The most tokens of a file. Each request is compared with all of them.
const TOKENS_MAX: usize = 1_000;
/// The longest name of a token, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// The prefix of every token, by which a leaked one is recognised.
const TOKEN_PREFIX: &str = "ect_";
const HASH_PREFIX: &str = "sha256:";
/// The size of a SHA-256.
const HASH_BYTES: usize = 32;

/// The tokens of a file: at least one, each with a name of its own.
#[derive(Debug)]
pub struct Tokens(Vec<Token>);

/// A token without its secret.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    hash: [u8; HASH_BYTES],
}

/// A new token. Its secret is shown once.
pub struct NewToken {
    /// The secret that its bearer sends.
    pub secret: Zeroizing<String>,
    /// The line for the token file, without a line break.
    pub line: String,
}

/// An error on making a token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The name does not fit a line.
    #[error(
        "the name of a token has 1 to {NAME_BYTES_MAX} letters, digits, dots, dashes and underscores"
    )]
    Name,
    /// The system has no random bytes to give.
    #[error("the system gives no random bytes for a token")]
    Random(#[source] getrandom::Error),
}

/// An error on reading a token file.
#[derive(Debug, Error)]
pub enum TokensError {
    /// The file cannot be read, or others can read or write it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not UTF-8.
    #[error("it must be text, a token a line")]
    NotText,
    /// A line is neither a token nor a comment nor empty.
    #[error(
        "line {line} must be `NAME ROLE sha256:HEX`, as `edge-cache-agent token new` prints it"
    )]
    NotALine {
        /// The line, counted from 1.
        line: usize,
    },
    /// The name breaks a bound.
    #[error("line {line} is wrong")]
    Name {
        /// The line, counted from 1.
        line: usize,
        /// The bound.
        #[source]
        source: TokenError,
    },
    /// The role is unknown.
    #[error("line {line} is wrong")]
    Role {
        /// The line, counted from 1.
        line: usize,
        /// The known roles.
        #[source]
        source: RoleError,
    },
    /// A name or a token is listed twice.
    #[error("line {line} repeats the name or the token of line {first}: each may be listed once")]
    Repeated {
        /// The line, counted from 1.
        line: usize,
        /// The line that lists it first.
        first: usize,
    },
    /// The file has too many tokens.
    #[error("line {line} is one token too many: at most {TOKENS_MAX} are allowed")]
    TooMany {
        /// The first line too many, counted from 1.
        line: usize,
    },
    /// The file has no token, which would refuse every request.
    #[error("it holds no token: at least one is needed")]
    Empty,
}

impl Tokens {
    pub(super) fn read(file: &Path) -> Result<Self, TokensError> {
        let text = trusted_file::read_secret(file)?;
        Self::parse(std::str::from_utf8(&text).map_err(|_| TokensError::NotText)?)
    }

    /// Parses the text of a token file. Lines that are empty or begin with `#` are comments.
    pub(super) fn parse(text: &str) -> Result<Self, TokensError> {
        let mut tokens: Vec<(usize, Token)> = Vec::new();
        for (line, content) in (1_usize..).zip(text.lines().map(str::trim)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let token = Token::parse(line, content)?;
            let same = |other: &Token| other.name == token.name || other.hash == token.hash;
            if let Some((first, _)) = tokens.iter().find(|(_, other)| same(other)) {
                return Err(TokensError::Repeated {
                    line,
                    first: *first,
                });
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(TokensError::TooMany { line });
            }
            tokens.push((line, token));
        }
        if tokens.is_empty() {
            return Err(TokensError::Empty);
        }
        Ok(Self(tokens.into_iter().map(|(_, token)| token).collect()))
    }

    /// Returns the number of tokens.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Finds the token with this secret. Every token is compared in constant time.
    pub(super) fn find(&self, secret: &str) -> Option<Token> {
        let hash = hash(secret);
        let mut found = None;
        for token in &self.0 {
            if token.hash.ct_eq(&hash).into() {
                found = Some(token.clone());
            }
        }
        found
    }
}

impl Tokens {
    /// Returns whether a token is still listed, with at least the role it had.
    pub(super) fn has(&self, token: &Token) -> bool {
        let mut tokens = self.0.iter();
        tokens.any(|other| other.hash == token.hash && other.role >= token.role)
    }
}

impl Token {
    fn parse(line: usize, text: &str) -> Result<Self, TokensError> {
        let mut words = text.split_whitespace();
        let (Some(name), Some(role), Some(hash), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(TokensError::NotALine { line });
        };
        check_name(name).map_err(|source| TokensError::Name { line, source })?;
        let role = role
            .parse()
            .map_err(|source| TokensError::Role { line, source })?;
        let hash = hash
            .strip_prefix(HASH_PREFIX)
            .and_then(parse_hash)
            .ok_or(TokensError::NotALine { line })?;
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
    /// Any [`TokenError`].
    pub fn generate(name: &str, role: Role) -> Result<Self, TokenError> {
        check_name(name)?;
        let mut bytes = Zeroizing::new([0_u8; TOKEN_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(TokenError::Random)?;
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

fn check_name(name: &str) -> Result<(), TokenError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if fits && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(TokenError::Name)
    }
}

fn hash(secret: &str) -> [u8; HASH_BYTES] {
    Sha256::digest(secret.as_bytes()).into()
}

fn parse_hash(text: &str) -> Option<[u8; HASH_BYTES]> {
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    let mut hash = [0_u8; HASH_BYTES];
    for byte in &mut hash {
        let high = u8::try_from(digits.next()??).ok()?;
        let low = u8::try_from(digits.next()??).ok()?;
        *byte = high.checked_mul(16)?.checked_add(low)?;
    }
    digits.next().is_none().then_some(hash)
}
