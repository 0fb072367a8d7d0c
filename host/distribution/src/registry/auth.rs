//! Authentication at registries: Basic, and Bearer with tokens of the registry's token service.
//!
//! Source: distribution, "Token authentication specification".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::parse_challenges;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::credentials::Account;
use super::error::RegistryError;
use super::place::{Access, Place, shown};

#[cfg(test)]
mod tests;

/// The largest response of a token service.
pub(super) const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Authentication that a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token from this URL.
    Bearer(Url),
}

impl Challenge {
    /// Reads the challenges of a response, and chooses one.
    pub(super) fn read(place: &Place, headers: &HeaderMap) -> Result<Self, RegistryError> {
        let mut schemes = Vec::new();
        let mut found = None;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let Some(challenges) = header
                .to_str()
                .ok()
                .and_then(|text| parse_challenges(text).ok())
            else {
                return Err(wrong(place, "its challenge cannot be parsed"));
            };
            for challenge in challenges {
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    let param = |name: &str| {
                        let mut params = challenge.params.iter();
                        let found = params.find(|(key, _)| key.eq_ignore_ascii_case(name));
                        found.map(|(_, value)| value.to_unescaped())
                    };
                    return bearer(place, param);
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    found = Some(Self::Basic);
                }
                schemes.push(challenge.scheme.to_string());
            }
        }
        found.ok_or_else(|| {
            let schemes = edge_cache_core::text::clean(&schemes.join(", "), 64);
            wrong(
                place,
                &format!("it asks for `{schemes}`, and only Basic and Bearer are supported"),
            )
        })
    }
}

fn bearer(
    place: &Place,
    param: impl Fn(&str) -> Option<String>,
) -> Result<Challenge, RegistryError> {
    let realm = param("realm").and_then(|realm| Url::parse(&realm).ok());
    let mut url = realm.ok_or_else(|| wrong(place, "its challenge names no token service"))?;
    if !place.allows(&url) {
        let reason = format!(
            "its token service `{}` is not asked, because it is not `https`",
            shown(&url)
        );
        return Err(wrong(place, &reason));
    }
    let actions = match place.access {
        Access::Pull => "pull",
        Access::Push => "pull,push",
    };
    let own = || format!("repository:{}:{actions}", place.repository);
    let scope = param("scope").unwrap_or_else(own);
    let mut query = url.query_pairs_mut();
    if let Some(service) = param("service") {
        query.append_pair("service", &service);
    }
    query.append_pair("scope", &scope);
    drop(query);
    Ok(Challenge::Bearer(url))
}

/// Returns the header for a user name and password.
pub(super) fn basic(account: &Account) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{}:{}", account.user, account.password.as_str()));
    secret("Basic", &STANDARD.encode(pair.as_bytes()))
}

/// Reads the response of a token service.
pub(super) fn token(place: &Place, body: &[u8]) -> Result<HeaderValue, RegistryError> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer = serde_json::from_slice::<Answer>(body).ok();
    let token = answer.and_then(|answer| answer.token.or(answer.access_token));
    let token = Zeroizing::new(token.unwrap_or_default());
    secret("Bearer", &token)
        .filter(|_| !token.is_empty())
        .ok_or_else(|| wrong(place, "its token service gives no token"))
}

/// Returns the error for the status of a token service.
pub(super) fn refused(place: &Place, service: &Url, status: StatusCode) -> RegistryError {
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        return unauthorized(place);
    }
    let service = shown(service);
    let status = status.as_u16();
    wrong(
        place,
        &format!("its token service `{service}` answers with status {status}"),
    )
}

/// Returns the error for an account that is wrong or missing.
pub(super) fn unauthorized(place: &Place) -> RegistryError {
    let registry = place.registry.clone();
    match place.account {
        Some(_) => RegistryError::WrongCredentials { registry },
        None => RegistryError::NoCredentials { registry },
    }
}

pub(super) fn wrong(place: &Place, reason: &str) -> RegistryError {
    RegistryError::Authentication {
        registry: place.registry.clone(),
        reason: reason.to_string(),
    }
}

fn secret(scheme: &str, value: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme} {value}"));
    let mut header = HeaderValue::try_from(text.as_str()).ok()?;
    header.set_sensitive(true);
    Some(header)
}
