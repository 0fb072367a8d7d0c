//! The HTTP API of an agent: which settings are safe together, what it is served on, and to whom.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use super::error::RunError;
use crate::http::{self, Access, AppState, Hosts, Listening, Tls};
use crate::settings::AgentSettings;

/// How many connections wait in the kernel to be accepted, as far as the system's own limit allows. Whoever comes
/// when there are more tries again after a second, which is as long as a health check waits.
const BACKLOG: u32 = 1_024;

/// Bound, but not serving yet.
#[derive(Debug)]
pub(super) struct Api {
    main: Listening,
    health: Option<Listening>,
    access: Access,
    hosts: Hosts,
}

/// Whether the settings leave the API open to nobody that they should not; if they do, what would help.
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
            "`--http-listen` beyond loopback needs `--api-token-file`, whose tokens say who may do what",
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

/// Reads the files that the API needs, and says in words what came of it.
pub(crate) fn look(settings: &AgentSettings) -> Result<String, RunError> {
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
    pub(super) fn bind(settings: &AgentSettings) -> Result<Self, RunError> {
        let http = &settings.http;
        let access = access(settings)?;
        let tls = tls(settings)?;
        let main = Listening {
            listener: listen(settings.http_listen)?,
            tls,
            connections: http.http_connections.get(),
        };
        let mut connections = main.connections;
        let mut health = None;
        if let Some(address) = http.health_listen {
            connections = connections.saturating_add(http::HEALTH_CONNECTIONS_MAX);
            health = Some(Listening {
                listener: listen(address)?,
                tls: None,
                connections: http::HEALTH_CONNECTIONS_MAX,
            });
        }
        http::warn_of_file_limit(connections);
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

    /// Where the API is served, and where health alone is.
    pub(super) fn addresses(&self) -> io::Result<(SocketAddr, Option<SocketAddr>)> {
        let health = self.health.as_ref().map(|health| &health.listener);
        Ok((
            self.main.listener.local_addr()?,
            health.map(TcpListener::local_addr).transpose()?,
        ))
    }

    /// What reads the tokens and the certificate again.
    pub(super) fn reloader(&self) -> impl Fn() + Send + 'static {
        let (access, tls) = (self.access.clone(), self.main.tls.clone());
        move || {
            access.reread();
            if let Some(tls) = &tls {
                tls.reread();
            }
        }
    }

    /// Serves until `shutdown` resolves and requests have ended; health for as long.
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

fn access(settings: &AgentSettings) -> Result<Access, RunError> {
    match &settings.http.api_token_file {
        Some(path) => Access::with_tokens(path.clone()).map_err(|source| RunError::Tokens {
            path: path.clone(),
            source,
        }),
        None if settings.http.allow_local_admin => Ok(Access::local_admin()),
        None => Ok(Access::local()),
    }
}

fn tls(settings: &AgentSettings) -> Result<Option<Tls>, RunError> {
    let http = &settings.http;
    match (&http.http_tls_cert_file, &http.http_tls_key_file) {
        (Some(certificates), Some(key)) => {
            let tls = Tls::read(certificates.clone(), key.clone());
            tls.map(Some).map_err(RunError::Tls)
        }
        _ => Ok(None),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let listening = socket.and_then(|socket| {
        // Connections of before that are still ending do not keep a new start from its port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    listening.map_err(|source| RunError::Http { address, source })
}
