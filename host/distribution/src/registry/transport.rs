//! Requests to registries with retries, redirects and authentication.
//!
//! Redirects are followed here and not by the HTTP client: only over TLS (or between addresses of loopback), and without
//! credentials to any other origin.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use edge_cache_core::text;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Certificate, Method, Response, StatusCode, Url, redirect};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::auth::{self, Challenge, TOKEN_BYTES_MAX};
use super::config::{REDIRECTS_MAX, RegistryConfig, RegistryConfigError, TRIES_MAX};
use super::error::RegistryError;
use super::place::{Access, Place, is_loopback, shown};

#[cfg(test)]
mod tests;

/// Time for which an idle connection is kept.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest wait that a registry can ask for before the next try.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// The largest error response that is read.
const ERROR_BYTES_MAX: usize = 16 * 1024;
/// The longest text of a registry in an error, in bytes.
const REASON_BYTES_MAX: usize = 256;
/// The largest number of repositories whose tokens are kept.
const TOKENS_MAX: usize = 64;
/// The beginnings of errors of the HTTP client that say nothing.
const SENDING: &str = "error sending request: ";
/// See [`SENDING`].
const CLIENT: &str = "client error (";
const USER_AGENT: &str = concat!("edge-cache/", env!("CARGO_PKG_VERSION"));

/// Sends requests to registries.
#[derive(Debug)]
pub(super) struct Transport {
    /// Made at the first request, unless there are roots to check: the system's are many.
    clients: OnceLock<Clients>,
    connect_timeout: Duration,
    read_timeout: Duration,
    whole_timeout: Duration,
    backoff: Duration,
    /// The header that a repository was last answered with.
    authorizations: Mutex<BTreeMap<(Url, Access), HeaderValue>>,
}

struct Clients {
    /// For other machines: over the proxies that the environment names.
    far: reqwest::Client,
    /// For loopback: a proxy would get what is meant to stay on this machine.
    near: reqwest::Client,
}

/// A request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: Option<&'static str>,
    pub(super) body: Option<(&'a str, Bytes)>,
}

/// An error, and whether the same request may succeed later.
struct Failure {
    error: RegistryError,
    /// A wait that the registry asks for.
    after: Option<Duration>,
    is_passing: bool,
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self {
            after: None,
            is_passing: matches!(error, RegistryError::Unreachable { .. }),
            error,
        }
    }
}

impl Ask<'_> {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            accept: None,
            body: None,
        }
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URLs of proxies may hold passwords.
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Makes both clients, with these roots only or with those of the system.
    fn new(connect_timeout: Duration, roots: Option<Vec<Certificate>>) -> reqwest::Result<Self> {
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .referer(false)
                .connect_timeout(connect_timeout)
                .pool_idle_timeout(POOL_IDLE_TIMEOUT)
                .redirect(redirect::Policy::none());
            match &roots {
                Some(roots) => builder.tls_certs_only(roots.clone()),
                None => builder,
            }
        };
        Ok(Self {
            far: builder().build()?,
            near: builder().no_proxy().build()?,
        })
    }
}

impl Transport {
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, RegistryConfigError> {
        let clients = OnceLock::new();
        if let Some(pem) = &config.ca_pem {
            let roots = Certificate::from_pem_bundle(pem).unwrap_or_default();
            let made =
                (!roots.is_empty()).then(|| Clients::new(config.connect_timeout, Some(roots)));
            let made = made.and_then(Result::ok).ok_or(RegistryConfigError::Ca)?;
            clients.get_or_init(|| made);
        }
        Ok(Self {
            clients,
            connect_timeout: config.connect_timeout,
            read_timeout: config.read_timeout,
            whole_timeout: config.timeout,
            backoff: config.backoff,
            authorizations: Mutex::default(),
        })
    }

    fn clients(&self, place: &Place) -> Result<&Clients, RegistryError> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let made = Clients::new(self.connect_timeout, None)
            // On a machine without roots only TLS fails, and its error names the setting.
            .or_else(|_| Clients::new(self.connect_timeout, Some(Vec::new())))
            .map_err(|error| self.broken(&place.registry, error))?;
        Ok(self.clients.get_or_init(|| made))
    }

    /// Bounds the time of several requests together.
    pub(super) async fn within<T>(
        &self,
        place: &Place,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let slow = |_| RegistryError::Slow {
            registry: place.registry.clone(),
            within: self.whole_timeout,
        };
        timeout(self.whole_timeout, work).await.map_err(slow)?
    }

    /// Sends a request, again where that may help. Returns any response but one of 401, 429 and 5xx, its body unread.
    pub(super) async fn send(
        &self,
        place: &Place,
        ask: &Ask<'_>,
    ) -> Result<Response, RegistryError> {
        let mut wait = self.backoff;
        for _ in 1..TRIES_MAX {
            match self.authenticated(place, ask).await {
                Ok(response) => return Ok(response),
                Err(failure) if failure.is_passing => {
                    // Agents that failed at the same time must not try again at the same time.
                    let jitter = wait.mul_f64(fastrand::f64() / 2.0);
                    sleep(failure.after.unwrap_or(wait.saturating_add(jitter))).await;
                    wait = wait.saturating_mul(2);
                }
                Err(failure) => return Err(failure.error),
            }
        }
        let last = self.authenticated(place, ask).await;
        last.map_err(|failure| failure.error)
    }

    /// Sends a request, and a second time with credentials if the registry asks for them.
    async fn authenticated(&self, place: &Place, ask: &Ask<'_>) -> Result<Response, Failure> {
        let key = (place.base.clone(), place.access);
        let known = self.known(&key);
        let response = self.follow(place, ask, known.as_ref()).await?;
        // A place that the registry redirects to gets no credentials, and its answer is final.
        let asks = |response: &Response| {
            let is_own = response.url().origin() == place.base.origin();
            is_own && response.status() == StatusCode::UNAUTHORIZED
        };
        if !asks(&response) {
            return Ok(response);
        }
        let challenge = Challenge::read(place, response.headers())?;
        let is_basic = challenge == Challenge::Basic;
        let header = match challenge {
            Challenge::Basic => place.account.as_ref().and_then(auth::basic),
            Challenge::Bearer(url) => Some(self.token(place, url).await?),
        };
        let header = header.ok_or_else(|| auth::unauthorized(place))?;
        let response = self.follow(place, ask, Some(&header)).await?;
        if asks(&response) {
            self.authorizations().remove(&key);
            return Err(match (&place.account, is_basic) {
                // The token service took the account.
                (Some(_), false) => forbidden(place, String::new()),
                _ => auth::unauthorized(place),
            }
            .into());
        }
        let mut authorizations = self.authorizations();
        if authorizations.len() >= TOKENS_MAX {
            authorizations.clear();
        }
        authorizations.insert(key, header);
        drop(authorizations);
        Ok(response)
    }

    fn known(&self, key: &(Url, Access)) -> Option<HeaderValue> {
        self.authorizations().get(key).cloned()
    }

    fn authorizations(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Url, Access), HeaderValue>> {
        self.authorizations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a token service, with the account of the registry if there is one.
    async fn token(&self, place: &Place, service: Url) -> Result<HeaderValue, Failure> {
        let mut ask = Ask::new(Method::GET, service.clone());
        ask.accept = Some("application/json");
        let header = place.account.as_ref().and_then(auth::basic);
        let response = self.once(place, &ask, &service, header.as_ref()).await?;
        if !response.status().is_success() {
            return Err(auth::refused(place, &service, response.status()).into());
        }
        let body = self
            .read(place, response, "a token", TOKEN_BYTES_MAX)
            .await?;
        let body = body.ok_or_else(|| {
            let reason = format!("its token service sends more than {TOKEN_BYTES_MAX} bytes");
            auth::wrong(place, &reason)
        })?;
        Ok(auth::token(place, &body)?)
    }

    /// Sends a request and follows redirects of those that change nothing.
    async fn follow(
        &self,
        place: &Place,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Failure> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let authorization = authorization.filter(|_| url.origin() == place.base.origin());
            let response = self.once(place, ask, &url, authorization).await?;
            let follows = matches!(ask.method, Method::GET | Method::HEAD);
            if !follows || !response.status().is_redirection() {
                return Ok(response);
            }
            url = self.location(place, &url, response.headers())?;
        }
        let registry = place.registry.clone();
        Err(RegistryError::Redirects { registry }.into())
    }

    /// Returns the place that a response sends to, if it may be asked.
    pub(super) fn location(
        &self,
        place: &Place,
        from: &Url,
        headers: &HeaderMap,
    ) -> Result<Url, RegistryError> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| from.join(location).ok());
        let next = next.ok_or_else(|| RegistryError::Protocol {
            registry: place.registry.clone(),
            reason: "a redirect or an upload has no valid `Location`".to_string(),
        })?;
        if place.allows(&next) {
            return Ok(next);
        }
        Err(RegistryError::Redirect {
            registry: place.registry.clone(),
            place: shown(&next),
        })
    }

    async fn once(
        &self,
        place: &Place,
        ask: &Ask<'_>,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Failure> {
        let clients = self.clients(place)?;
        let client = if is_loopback(url) {
            &clients.near
        } else {
            &clients.far
        };
        let mut request = client.request(ask.method.clone(), url.clone());
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        // Sending a large body takes as long as the whole push may.
        let mut within = self.read_timeout;
        if let Some((media_type, body)) = &ask.body {
            within = self.whole_timeout;
            request = request.header(CONTENT_TYPE, *media_type).body(body.clone());
        }
        let host = self.host(place, url);
        let sent = timeout(within, request.send()).await;
        let response = sent
            .map_err(|_| self.silent(&host))?
            .map_err(|error| self.broken(&host, error))?;
        let status = response.status();
        if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
            return Ok(response);
        }
        let after = retry_after(response.headers());
        let registry = host;
        let error = match status {
            StatusCode::TOO_MANY_REQUESTS => RegistryError::Busy { registry },
            _ => RegistryError::Failed {
                registry,
                status: status.as_u16(),
                reason: self.reason(place, response).await,
            },
        };
        Err(Failure {
            error,
            after,
            is_passing: true,
        })
    }

    /// Reads a body of at most so many bytes; none if it has more.
    pub(super) async fn read(
        &self,
        place: &Place,
        mut response: Response,
        what: &'static str,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, RegistryError> {
        let host = self.host(place, response.url());
        let max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        if response.content_length().is_some_and(|length| length > max) {
            return Ok(None);
        }
        let mut body = BytesMut::new();
        loop {
            let chunk = timeout(self.read_timeout, response.chunk()).await;
            let chunk =
                chunk
                    .map_err(|_| self.silent(&host))?
                    .map_err(|_| RegistryError::BrokenOff {
                        registry: host.clone(),
                        what,
                    })?;
            let Some(chunk) = chunk else {
                return Ok(Some(body.freeze()));
            };
            if body.len().saturating_add(chunk.len()) > bytes_max {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// Returns the error of a response that is no success.
    pub(super) async fn refused(
        &self,
        place: &Place,
        response: Response,
        what: &str,
    ) -> RegistryError {
        let registry = self.host(place, response.url());
        let status = response.status();
        let reason = self.reason(place, response).await;
        match status {
            StatusCode::NOT_FOUND => RegistryError::NotFound {
                registry,
                what: what.to_string(),
            },
            StatusCode::FORBIDDEN => forbidden(place, reason),
            _ => RegistryError::Refused {
                registry,
                what: what.to_string(),
                status: status.as_u16(),
                reason,
            },
        }
    }

    /// Returns the text of an error response, after a colon and a blank.
    async fn reason(&self, place: &Place, response: Response) -> String {
        #[derive(Deserialize)]
        struct Answer {
            errors: Vec<Reason>,
        }
        #[derive(Deserialize)]
        struct Reason {
            message: String,
        }
        let body = self
            .read(place, response, "an error", ERROR_BYTES_MAX)
            .await;
        let body = body.ok().flatten().unwrap_or_default();
        let answer = serde_json::from_slice::<Answer>(&body).ok();
        let first = answer.and_then(|answer| answer.errors.into_iter().next());
        match first {
            Some(first) => format!(": {}", text::clean(&first.message, REASON_BYTES_MAX)),
            None => String::new(),
        }
    }

    /// Returns the host that is asked, for errors: of the registry as it is named, or of the place that it sends to.
    fn host(&self, place: &Place, url: &Url) -> String {
        if url.origin() == place.base.origin() {
            place.registry.clone()
        } else {
            shown(url)
        }
    }

    fn silent(&self, host: &str) -> RegistryError {
        RegistryError::Silent {
            registry: host.to_string(),
            within: self.read_timeout,
        }
    }

    /// Returns the error of a request without a response.
    fn broken(&self, host: &str, error: reqwest::Error) -> RegistryError {
        let registry = host.to_string();
        let is_timeout = error.is_timeout();
        let chain = text::error_chain(&error.without_url());
        let chain = chain.strip_prefix(SENDING).unwrap_or(&chain);
        // "client error (Connect)"
        let chain = match chain.split_once(": ") {
            Some((first, rest)) if first.starts_with(CLIENT) => rest,
            _ => chain,
        };
        // The text of rustls: reqwest passes its errors on as text only.
        if let Some((_, reason)) = chain.split_once("invalid peer certificate: ") {
            let reason = text::clean(reason, REASON_BYTES_MAX);
            return RegistryError::Certificate { registry, reason };
        }
        if chain.contains("InvalidContentType") {
            return RegistryError::NoTls { registry };
        }
        let reason = if is_timeout {
            let within = self.connect_timeout;
            format!("no connection within {within:?}, after {TRIES_MAX} tries")
        } else {
            text::clean(chain, REASON_BYTES_MAX)
        };
        RegistryError::Unreachable { registry, reason }
    }
}

/// Returns the wait that a response asks for, if it names seconds: a date would need a clock that is right.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

fn forbidden(place: &Place, reason: String) -> RegistryError {
    RegistryError::Forbidden {
        registry: place.registry.clone(),
        repository: place.repository.clone(),
        reason,
    }
}
