//! Query parameters: decoded to bytes, each at most once, and none that the operation does not know.

use std::borrow::Cow;
use std::str::{self, FromStr};

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use percent_encoding::percent_decode;

use super::problem::{Problem, quoted};
use edge_cache_api::ProblemType;

#[cfg(test)]
mod tests;

/// The parameters of a query, decoded.
#[derive(Debug)]
pub(super) struct QueryParams(Vec<(String, Vec<u8>)>);

impl QueryParams {
    /// Parses the query of a URL. A parameter without `=` has an empty value.
    pub(super) fn parse(uri: &Uri) -> Result<Self, Problem> {
        let mut params: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, value) in pairs(uri) {
            if params.iter().any(|(other, _)| *other == name) {
                return Err(invalid(format!("{} is given twice", quoted(&name))));
            }
            params.push((name, decode(value)));
        }
        Ok(Self(params))
    }

    /// Returns the value of a parameter as it is: any bytes.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let mut params = self.0.iter();
        let (_, value) = params.find(|(other, _)| other == name)?;
        Some(value)
    }

    /// Returns the value of a parameter that must be UTF-8.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        let text = self.bytes(name).map(str::from_utf8).transpose();
        text.map_err(|_| invalid(format!("`{name}` must be UTF-8")))
    }

    /// Returns the value of a parameter as `parse` reads it; `right` says for the error what it must be.
    pub(super) fn value<T>(
        &self,
        name: &str,
        right: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let wrong = || invalid(format!("`{name}` must be {right}, got {}", quoted(text)));
        parse(text).map(Some).ok_or_else(wrong)
    }

    /// Returns the value of a parameter that must be a whole number.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Problem> {
        self.value(name, "a whole number", |text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(&parts.uri)
    }
}

/// Refuses the first parameter that is not known. Comes before parsing, which compares each name with all before it.
pub(super) fn refuse_unknown(uri: &Uri, known: &[String]) -> Result<(), Problem> {
    let Some((unknown, _)) = pairs(uri).find(|(name, _)| !known.contains(name)) else {
        return Ok(());
    };
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    let taken = if known.is_empty() {
        "this operation takes none".to_string()
    } else {
        format!("this operation takes {}", known.join(", "))
    };
    Err(invalid(format!(
        "unknown query parameter {}; {taken}",
        quoted(&unknown)
    )))
}

/// Returns the parameters of a query with their names decoded.
fn pairs(uri: &Uri) -> impl Iterator<Item = (String, &str)> {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (String::from_utf8_lossy(&decode(name)).into_owned(), value)
        })
}

pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemType::InvalidQuery, detail)
}

fn decode(text: &str) -> Vec<u8> {
    let text: Cow<'_, str> = if text.contains('+') {
        text.replace('+', " ").into()
    } else {
        text.into()
    };
    percent_decode(text.as_bytes()).collect()
}
