//! Binds and serves the HTTP API of an agent, and checks that its settings are safe together.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use crate::http::{self, Access, AppState, Hosts, Listening, Tls};
use crate::settings::AgentSettings;
use crate::tokens::Role;

/// The most connections that wait in the kernel to be accepted, within the system's own limit. A client beyond it
/// tries again after a second.
const BACKLOG: u32 = 1_024;
/// The files that an agent has open beside its connections: listeners, the store, gossip, the runtime, and some spare.
const OTHER_FILES: usize = 64;
/// The connections for event streams and waits, beside those of the setting.
const LONG_REQUESTS_MAX: usize = http::EVENT_STREAMS_MAX + http::WAITS_MAX;

/// The bound listeners of the HTTP API.
#[derive(Debug)]
pub(super) struct Api {
    main: Listening,
    health: Option<Listening>,
    access: Access,
    hosts: Hosts,
}

/// Checks that the settings protect the API. The error names the setting that is missing.
pub(super) fn check(settings: &AgentSettings) -> Result<(), String> {
    let wrong = |text: &str| Err(text.to_string());
    let http = &settings.http;
    match (&http.http_tls_cert_file, &http.http_tls_key_file) {
        (Some(_), None) => return wrong("`--http-tls-cert-file` needs `--http-tls-key-file`"),
        (None, Some(_)) => return wrong("`--http-tls-key-file` needs `--http-tls-cert-file`"),
        _ => {}
    }
    if http.api_token_file.is_some() && http.allow_local_admin {
        return wrong(
            "`--allow-local-admin` is for agents without `--api-token-file`: with it, tokens have the role \
             `admin`",
        );
    }
    if settings.http_listen.ip().is_loopback() {
        return Ok(());
    }
    if http.api_token_file.is_none() {
        return wrong(
            "`--http-listen` beyond loopback needs `--api-token-file`, whose tokens have roles",
        );
    }
    if http.http_tls_cert_file.is_none() && !http.insecure_http {
        return wrong(
            "`--http-listen` beyond loopback needs `--http-tls-cert-file` and `--http-tls-key-file`, so that \
             tokens do not travel in the clear; `--insecure-http` does without, for networks that are encrypted \
             below",
        );
    }
    Ok(())
}

/// Reads the files of the settings, and describes the result in one line.
pub(crate) fn look(settings: &AgentSettings) -> Result<String> {
    access(settings)?;
    let access = match &settings.http.api_token_file {
        Some(_) => "tokens that can be read",
        None => "no tokens",
    };
    let transport = match tls(settings)? {
        Some(_) => "TLS with a certificate and its key",
        None => "no TLS",
    };
    Ok(format!(
        "on {}, {access}, {transport}",
        settings.http_listen
    ))
}

impl Api {
    pub(super) fn bind(settings: &AgentSettings) -> Result<Self> {
        let http = &settings.http;
        let access = access(settings)?;
        let tls = tls(settings)?;
        let main = Listening {
            listener: listen(settings.http_listen)?,
            tls,
            connections: http.http_connections.saturating_add(LONG_REQUESTS_MAX),
            headers_timeout: http::HEADERS_TIMEOUT,
        };
        let mut connections = main.connections;
        let mut health = None;
        if let Some(address) = http.health_listen {
            connections = connections.saturating_add(http::HEALTH_CONNECTIONS_MAX);
            health = Some(Listening {
                listener: listen(address)?,
                tls: None,
                connections: http::HEALTH_CONNECTIONS_MAX,
                headers_timeout: http::HEALTH_HEADERS_TIMEOUT,
            });
        }
        warn_of_file_limit(connections);
        let hosts = if settings.http_listen.ip().is_loopback() {
            Hosts::Local
        } else {
            Hosts::Any
        };
        Ok(Self {
            main,
            health,
            access,
            hosts,
        })
    }

    /// Returns the bound addresses of the API and of the listener for health.
    pub(super) fn addresses(&self) -> io::Result<(SocketAddr, Option<SocketAddr>)> {
        let health = self.health.as_ref().map(|health| &health.listener);
        Ok((
            self.main.listener.local_addr()?,
            health.map(TcpListener::local_addr).transpose()?,
        ))
    }

    /// Returns a function that reloads the tokens and the certificate.
    pub(super) fn reloader(&self) -> impl Fn() + Send + 'static {
        let (access, tls) = (self.access.clone(), self.main.tls.clone());
        move || {
            access.reload();
            if let Some(tls) = &tls {
                tls.reload();
            }
        }
    }

    /// Serves until `shutdown` resolves and requests have ended; health as long as the API.
    pub(super) async fn serve(
        self,
        state: AppState,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) {
        let (stop_health, health_stopped) = oneshot::channel::<()>();
        let health = async {
            if let Some(health) = self.health {
                let routes = http::health_routes(state.clone());
                let stopped = async {
                    let _ = health_stopped.await;
                };
                http::serve(health, routes, state.listener_metrics("health"), stopped).await;
            }
        };
        let main = async {
            let routes = http::api_routes(state.clone(), self.access, self.hosts);
            http::serve(self.main, routes, state.listener_metrics("api"), shutdown).await;
            drop(stop_health);
        };
        tokio::join!(main, health);
    }
}

fn access(settings: &AgentSettings) -> Result<Access> {
    match &settings.http.api_token_file {
        Some(path) => Access::with_tokens(path.clone())
            .with_context(|| format!("cannot use the API token file {}", path.display())),
        None if settings.http.allow_local_admin => Ok(Access::local(Role::Admin)),
        None => Ok(Access::local(Role::Write)),
    }
}

fn tls(settings: &AgentSettings) -> Result<Option<Tls>> {
    let http = &settings.http;
    match (&http.http_tls_cert_file, &http.http_tls_key_file) {
        (Some(certificates), Some(key)) => {
            let tls = Tls::read(certificates.clone(), key.clone());
            tls.map(Some).context("cannot set up TLS for HTTP")
        }
        _ => Ok(None),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let listening = socket.and_then(|socket| {
        // A new start can bind the port while old connections still end.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    listening.with_context(|| format!("cannot listen for HTTP on {address}"))
}

/// Logs a warning where the process may open fewer files than this many connections need.
fn warn_of_file_limit(connections: usize) {
    let needed = connections.saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile).current;
    if let Some(limit) = limit.filter(|limit| u64::try_from(needed).is_ok_and(|n| n > *limit)) {
        tracing::warn!(
            limit,
            needed,
            "the process may open too few files for its connections: raise the limit (`ulimit -n`, \
             `LimitNOFILE=`) or lower `--http-connections`"
        );
    }
}
