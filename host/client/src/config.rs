//! The configuration of a client: address, token, TLS roots and timeout.

use std::fmt;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::header::HeaderValue;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::address::Address;

/// The configuration of a client.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The address of the agent.
    pub address: Address,
    /// The token that every request carries.
    pub token: Option<Token>,
    /// The rule for sending the token over plain HTTP beyond loopback. Default: refuse.
    pub plaintext_token: PlaintextToken,
    /// The only root certificates that are trusted; needed for HTTPS. Those of the system are not used.
    pub ca: Option<CaCertificates>,
    /// The time within which a response must be complete. Default: 10 s.
    pub timeout: Duration,
}

/// A rule for sending the token over plain HTTP beyond loopback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlaintextToken {
    /// The client refuses to send it.
    #[default]
    Refuse,
    /// The client sends it: the network below is encrypted.
    Allow,
}

/// The token of an API user. `Debug` hides it.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

/// The error of a text that is no token: it is empty, or has blanks, `=` or unprintable characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a token")]
pub struct InvalidToken;

/// Root certificates.
#[derive(Debug, Clone)]
pub struct CaCertificates(Vec<Certificate>);

/// The error of a text that holds no certificate in PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no certificates in PEM")]
pub struct InvalidCa;

impl ClientConfig {
    /// The time within which a response must be complete, where nothing else is set.
    pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

    /// Creates the configuration for an agent without tokens and TLS.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            token: None,
            plaintext_token: PlaintextToken::default(),
            ca: None,
            timeout: Self::TIMEOUT_DEFAULT,
        }
    }
}

impl Token {
    /// Reads a token from the bytes of a file; blanks around it are ignored.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidToken> {
        std::str::from_utf8(bytes.trim_ascii())
            .ok()
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
            // `token new` prints `token=…`: the prefix is no part of the token.
            .filter(|token| !token.contains('='))
            .map(|token| Self(Zeroizing::new(token.to_string())))
            .ok_or(InvalidToken)
    }

    /// Returns the value of the header `Authorization`.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut header = HeaderValue::try_from(text.as_str()).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl CaCertificates {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    ///
    /// [`InvalidCa`] where there is none, or one is damaged.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidCa> {
        Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|roots| !roots.is_empty())
            .map(Self)
            .ok_or(InvalidCa)
    }

    pub(crate) fn into_roots(self) -> Vec<Certificate> {
        self.0
    }
}
