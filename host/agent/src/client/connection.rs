//! Requests to one agent, and their answers.
//!
//! It trusts the roots that it was given and no others, never follows a redirection, so that a token goes
//! where it was meant to go, and reads no more of an answer than it was told to.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Method, Response, StatusCode, redirect};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::address::Address;
use super::error::ClientError;
use crate::cli::AgentArgs;
use crate::trusted_file;
use edge_cache_core::text;

/// The largest answer. 20,000 nodes take 4 MiB, 600 peers with all their labels 10 MiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much of an answer is read that is no success.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// A client of one agent.
#[derive(Debug)]
pub(crate) struct Connection {
    http: Client,
    address: Address,
    timeout: Duration,
}

/// A request to an agent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Content>,
    /// How much longer than others the agent may take for it.
    patience: Duration,
    last_event_id: Option<HeaderValue>,
}

/// How much longer an agent may take to compile a component.
const COMPILE_PATIENCE: Duration = Duration::from_secs(60);

/// What is sent with a request.
#[derive(Debug, Clone)]
enum Content {
    Json(Value),
    Wasm(Bytes),
}

/// A success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// What is read of a problem document.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Connection {
    /// As the command line has it.
    pub(super) fn new(args: &AgentArgs) -> Result<Self, ClientError> {
        let mut headers = HeaderMap::new();
        if let Some(path) = &args.token_file {
            if !args.addr.is_tls() && !args.addr.is_loopback() && !args.insecure_http {
                let address = args.addr.clone();
                return Err(ClientError::TokenInTheClear { address });
            }
            headers.insert(AUTHORIZATION, bearer(path)?);
        }
        let roots = match &args.ca_file {
            Some(path) if args.addr.is_tls() => roots(path)?,
            None if args.addr.is_tls() => {
                let address = args.addr.clone();
                return Err(ClientError::RootsNeeded { address });
            }
            _ => Vec::new(),
        };
        let http = Client::builder()
            .default_headers(headers)
            .tls_certs_only(roots);
        Self::build(http, args.addr.clone(), args.timeout)
    }

    fn build(
        http: ClientBuilder,
        address: Address,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let http = http
            .no_proxy()
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Setup(text::error_chain(&error)))?;
        Ok(Self {
            http,
            address,
            timeout,
        })
    }

    /// Sends a request and reads the whole answer, which must be a success.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, ClientError> {
        let within = self.timeout.saturating_add(request.patience);
        let answer = async {
            let response = self.send(request).await?;
            let status = response.status();
            let body = self.read(request, response, ANSWER_BYTES_MAX).await?;
            Ok(Answer { status, body })
        };
        let late = |_| self.unanswered(request, format!("no answer within {within:?}"));
        timeout(within, answer).await.map_err(late)?
    }

    /// Sends a request whose answer, a success, is read piece by piece: only its beginning must come in time.
    pub(super) async fn open(&self, request: &Request) -> Result<Response, ClientError> {
        let within = self.timeout;
        let late = |_| self.unanswered(request, format!("no answer within {within:?}"));
        timeout(within, self.send(request)).await.map_err(late)?
    }

    /// That an answer did not come, or makes no sense.
    pub(super) fn unanswered(&self, request: &Request, reason: impl AsRef<str>) -> ClientError {
        ClientError::Unanswered {
            asked: request.to_string(),
            address: self.address.clone(),
            reason: text::clean(reason.as_ref(), text::ERROR_BYTES_MAX),
        }
    }

    async fn send(&self, request: &Request) -> Result<Response, ClientError> {
        let url = self.address.url(&request.path, &request.query);
        let mut http = self.http.request(request.method.clone(), url);
        if let Some(body) = &request.body {
            http = match body {
                Content::Json(value) => http.json(value),
                Content::Wasm(bytes) => http
                    .header(CONTENT_TYPE, "application/wasm")
                    .body(bytes.clone()),
            };
        }
        if let Some(id) = &request.last_event_id {
            http = http.header("last-event-id", id);
        }
        let response = http.send().await;
        let response = response
            .map_err(|error| self.unanswered(request, text::error_chain(&error.without_url())))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = self.read(request, response, PROBLEM_BYTES_MAX).await;
        let body = body.unwrap_or_default();
        let detail = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => problem.detail,
            Err(_) => String::from_utf8_lossy(&body).trim().to_string(),
        };
        Err(ClientError::Refused {
            asked: request.to_string(),
            address: self.address.clone(),
            status,
            detail: text::clean(&detail, text::ERROR_BYTES_MAX),
        })
    }

    async fn read(
        &self,
        request: &Request,
        mut response: Response,
        bytes_max: usize,
    ) -> Result<Bytes, ClientError> {
        let mut body = BytesMut::new();
        let broken = |error| self.unanswered(request, text::error_chain(&error));
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len().saturating_add(chunk.len()) > bytes_max {
                let reason = format!("the answer has more than {bytes_max} bytes");
                return Err(self.unanswered(request, reason));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            patience: Duration::ZERO,
            last_event_id: None,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn json(self, body: Value) -> Self {
        Self {
            body: Some(Content::Json(body)),
            ..self
        }
    }

    /// Sends a component, which the agent takes its time to compile.
    pub(super) fn wasm(self, bytes: Vec<u8>) -> Self {
        Self {
            body: Some(Content::Wasm(bytes.into())),
            patience: COMPILE_PATIENCE,
            ..self
        }
    }

    /// Adds a parameter, if it has a value.
    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        let value = value.map(|value| (name, value.to_string()));
        self.query.extend(value);
        self
    }

    /// Lets the agent wait for labels before it answers.
    pub(super) fn wait(self, time: Option<Duration>) -> Self {
        Self {
            patience: time.unwrap_or_default(),
            ..self
        }
        .query("wait", time.map(|time| format!("{}ms", time.as_millis())))
    }

    /// Asks for the events after this one.
    pub(super) fn after_event(self, id: Option<&str>) -> Self {
        Self {
            last_event_id: id.and_then(|id| HeaderValue::from_str(id).ok()),
            ..self
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What the bearer of a token says.
fn bearer(path: &Path) -> Result<HeaderValue, ClientError> {
    let file = trusted_file::read_secret(path).map_err(|source| ClientError::TokenFile {
        path: path.to_path_buf(),
        source,
    })?;
    let token = file.trim_ascii();
    let header = std::str::from_utf8(token)
        .ok()
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
        .filter(|token| !token.contains('='))
        .and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
    let mut header = header.ok_or_else(|| ClientError::NotAToken {
        path: path.to_path_buf(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}

fn roots(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let pem = trusted_file::read_public(path).map_err(|source| ClientError::RootsFile {
        path: path.to_path_buf(),
        source,
    })?;
    Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|roots| !roots.is_empty())
        .ok_or_else(|| ClientError::NoRoots {
            path: path.to_path_buf(),
        })
}
