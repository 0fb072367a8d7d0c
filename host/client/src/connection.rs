//! Requests to one agent, and their responses.
//!
//! The client trusts the given roots only, follows no redirect, so that a token reaches nobody else, and bounds the
//! size of every response.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use edge_cache_api::Problem;
use edge_cache_core::text;
use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap};
use reqwest::multipart::Form;
use reqwest::{Request, RequestBuilder, StatusCode, Url, redirect};
use tokio::time::timeout;

use crate::config::{Address, ClientConfig};
use crate::error::{ClientError, NoResponseCause};

/// Time for which an idle connection is kept: shorter than the 10 s after which an agent closes it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest response. 20,000 nodes take 4 MiB, 600 peers with all their labels 10 MiB.
pub(crate) const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The largest error response that is read.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// An HTTP client of one agent.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    http: reqwest::Client,
    address: Address,
    timeout: Duration,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    /// The ETag.
    pub(crate) tag: Option<String>,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let ClientConfig {
            address,
            token,
            insecure_http,
            ca,
            timeout,
        } = config;
        let mut headers = HeaderMap::new();
        if let Some(token) = &token {
            let is_safe = address.is_tls() || address.is_loopback();
            if !is_safe && !insecure_http {
                return Err(ClientError::PlaintextToken { address });
            }
            if let Some(header) = token.header() {
                headers.insert(AUTHORIZATION, header);
            }
        }
        if address.is_tls() && ca.is_none() {
            return Err(ClientError::NoCa { address });
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            // Never the system's roots: creation must not fail on a machine without them.
            .tls_certs_only(ca.map(|ca| ca.0).unwrap_or_default())
            .no_proxy()
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Setup(text::error_chain(&error)))?;
        Ok(Self {
            http,
            address,
            timeout,
        })
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.address.url(path)
    }

    /// Gives a request a form as its body.
    pub(crate) fn with_form(&self, request: Request, form: Form) -> Request {
        let (method, url) = (request.method().clone(), request.url().clone());
        let builder = RequestBuilder::from_parts(self.http.clone(), request);
        let built = builder.multipart(form).build();
        // The parts have fixed names and no headers, so that the form is always valid.
        built.unwrap_or_else(|_| Request::new(method, url))
    }

    /// Sends a request and reads the whole response, which must be a success of at most `bytes_max` bytes, within the timeout
    /// and `extra_time`.
    pub(crate) async fn send(
        &self,
        request: Request,
        extra_time: Duration,
        bytes_max: usize,
    ) -> Result<Response, ClientError> {
        let sent = describe(&request);
        let response = async {
            let response = self.execute(request, &sent).await?;
            let status = response.status();
            let tag = response.headers().get(ETAG);
            let tag = tag.and_then(|tag| tag.to_str().ok()).map(str::to_string);
            let body = self.read(&sent, response, bytes_max).await?;
            Ok(Response { status, tag, body })
        };
        self.within(self.timeout.saturating_add(extra_time), &sent, response)
            .await
    }

    /// Sends a request and returns the response, a success, with its body unread. Only its head has a time limit.
    pub(crate) async fn open(&self, request: Request) -> Result<reqwest::Response, ClientError> {
        let sent = describe(&request);
        self.within(self.timeout, &sent, self.execute(request, &sent))
            .await
    }

    /// Returns the error of a response that is missing or invalid.
    pub(crate) fn no_response(&self, sent: &str, reason: &str) -> ClientError {
        ClientError::NoResponse {
            request: sent.to_string(),
            address: self.address.clone(),
            reason: text::clean(reason, text::ERROR_BYTES_MAX),
            cause: None,
        }
    }

    /// Returns the error of a request that could not be sent.
    fn not_sent(&self, sent: &str, error: &reqwest::Error) -> ClientError {
        ClientError::NoResponse {
            request: sent.to_string(),
            address: self.address.clone(),
            reason: text::clean(&text::error_chain(error), text::ERROR_BYTES_MAX),
            cause: NoResponseCause::of(error),
        }
    }

    async fn within<T>(
        &self,
        time: Duration,
        sent: &str,
        response: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let late = |_| self.no_response(sent, &format!("no response within {time:?}"));
        timeout(time, response).await.map_err(late)?
    }

    async fn execute(
        &self,
        request: Request,
        sent: &str,
    ) -> Result<reqwest::Response, ClientError> {
        let response = self
            .http
            .execute(request)
            .await
            .map_err(|error| self.not_sent(sent, &error.without_url()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(sent, response).await)
    }

    async fn refused(&self, sent: &str, response: reqwest::Response) -> ClientError {
        let status = response.status();
        let body = self.read(sent, response, PROBLEM_BYTES_MAX).await;
        let body = body.unwrap_or_default();
        let (problem_type, detail) = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => (problem.problem_type(), problem.detail),
            Err(_) if body.is_empty() => (None, "without a reason".to_string()),
            Err(_) => (None, String::from_utf8_lossy(&body).trim().to_string()),
        };
        ClientError::Refused {
            request: sent.to_string(),
            address: self.address.clone(),
            status,
            problem_type,
            detail: text::clean(&detail, text::ERROR_BYTES_MAX),
        }
    }

    async fn read(
        &self,
        sent: &str,
        mut response: reqwest::Response,
        bytes_max: usize,
    ) -> Result<Bytes, ClientError> {
        let mut body = BytesMut::new();
        let broken = |error| self.no_response(sent, &text::error_chain(&error));
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len().saturating_add(chunk.len()) > bytes_max {
                let reason = format!("the response has more than {bytes_max} bytes");
                return Err(self.no_response(sent, &reason));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// Returns method and path of a request, for errors.
pub(crate) fn describe(request: &Request) -> String {
    format!("{} {}", request.method(), request.url().path())
}
