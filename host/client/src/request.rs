//! HTTP requests.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Serialize;
use serde_json::Value;

/// A request to an agent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<RequestBody>,
    /// The time that the agent may need on top of the client's timeout.
    pub(crate) extra_time: Duration,
    pub(crate) last_event_id: Option<HeaderValue>,
    pub(crate) if_match: Option<HeaderValue>,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum RequestBody {
    Json(Value),
    Wasm(Bytes),
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            extra_time: Duration::ZERO,
            last_event_id: None,
            if_match: None,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        // The types of the API hold texts, numbers and lists: nothing that JSON cannot express.
        self.body = Some(RequestBody::Json(
            serde_json::to_value(body).unwrap_or_default(),
        ));
        self
    }

    /// Adds a query parameter that has a value.
    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        let value = value.map(|value| (name, value.to_string()));
        self.query.extend(value);
        self
    }
}

/// Shows method and path.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
