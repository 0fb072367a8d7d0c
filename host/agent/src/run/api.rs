//! Binds and serves the HTTP API of an agent, and checks that its settings are safe together.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use prometheus_client::metrics::gauge::Gauge;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::steps::Done;
use crate::http::{self, Access, AppState, Guard, Hosts, Listening, Tls};
use crate::reload::{Part, Reloaded};
use crate::settings::names::{INSECURE_HTTP, named};
use crate::settings::{AgentSettings, TrafficSettings};
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
    traffic: Option<Listening>,
    traffic_settings: TrafficSettings,
    access: Access,
    guard: Guard,
    /// The name by which clients reach the API, as far as it is known.
    host: Option<String>,
}

/// The bound addresses of the listeners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) api: SocketAddr,
    pub(super) health: Option<SocketAddr>,
    pub(super) traffic: Option<SocketAddr>,
}

/// Returns what the settings lack for the protection of the listeners, with the names of the settings.
pub(super) fn contradictions(settings: &AgentSettings) -> Vec<String> {
    let mut found = Vec::new();
    let http = &settings.http;
    let (certificate, key) = (named("http.tls_cert_file"), named("http.tls_key_file"));
    match (&http.http_tls_cert_file, &http.http_tls_key_file) {
        (Some(_), None) => found.push(format!("{certificate} needs {key}")),
        (None, Some(_)) => found.push(format!("{key} needs {certificate}")),
        _ => {}
    }
    let tokens = named("api_token_file");
    if http.api_token_file.is_some() && http.allow_local_admin {
        let local = named("allow_local_admin");
        found.push(format!(
            "{local} is for agents without {tokens}: with it, tokens have the role `admin`"
        ));
    }
    let traffic = &settings.traffic;
    if let Some(listen) = traffic.traffic_listen
        && !listen.ip().is_loopback()
        && traffic.traffic_allow.is_empty()
    {
        let (listen, allow) = (named("traffic.listen"), named("traffic.allow"));
        found.push(format!(
            "{listen} beyond loopback needs {allow}, the networks of the proxies that may ask"
        ));
    }
    if settings.http_listen.ip().is_loopback() {
        return found;
    }
    let listen = named("http.listen");
    if http.api_token_file.is_none() {
        found.push(format!(
            "{listen} beyond loopback needs {tokens}, whose tokens have roles"
        ));
    }
    let has_tls = http.http_tls_cert_file.is_some() || http.http_tls_key_file.is_some();
    if !has_tls && !http.insecure_http {
        found.push(format!(
            "{listen} beyond loopback needs {certificate} and {key}, so that tokens do not travel in the clear; \
             {INSECURE_HTTP} does without, for networks that are encrypted below"
        ));
    }
    found
}

/// The files that the API needs.
#[derive(Debug)]
pub(super) struct ApiFiles {
    access: Access,
    tls: Option<Tls>,
}

impl ApiFiles {
    /// Reads the files of the settings.
    pub(super) fn read(settings: &AgentSettings) -> Result<Done<Self>> {
        let (access, tls) = (access(settings)?, tls(settings)?);
        let tokens = match &settings.http.api_token_file {
            Some(_) => "tokens that can be read",
            None => "no tokens",
        };
        let transport = match tls {
            Some(_) => "TLS with a certificate and its key",
            None => "no TLS",
        };
        let listen = settings.http_listen;
        Ok(Done {
            text: format!("on {listen}, {tokens}, {transport}"),
            warnings: tls
                .iter()
                .filter_map(|tls| other_name(host(settings).as_deref(), tls))
                .collect(),
            value: Self { access, tls },
        })
    }
}

/// Returns the name or the address by which clients reach the API, as far as it is known.
fn host(settings: &AgentSettings) -> Option<String> {
    let ip = settings.http_listen.ip();
    match &settings.http.http_advertise {
        Some(advertised) => Some(advertised.host().to_string()),
        None if ip.is_unspecified() => None,
        None => Some(ip.to_string()),
    }
}

/// Returns a warning where the certificate is not for the host by which clients reach the API.
fn other_name(host: Option<&str>, tls: &Tls) -> Option<String> {
    let host = host.filter(|host| !tls.is_for(host))?;
    Some(format!(
        "the certificate is not for {host}: clients refuse it unless they use one of its names"
    ))
}

/// Reads the certificate again, and warns of one for another host.
fn reload_certificate(tls: &Tls, host: Option<&str>) -> Result<Reloaded> {
    let reloaded = tls.reload()?;
    let Some(warning) = other_name(host, tls) else {
        return Ok(reloaded);
    };
    let with_warning = |detail| format!("{detail}; {warning}");
    Ok(match reloaded {
        Reloaded::Unchanged(detail) => Reloaded::Unchanged(with_warning(detail)),
        Reloaded::Changed(detail) => Reloaded::Changed(with_warning(detail)),
    })
}

impl Api {
    pub(super) fn bind(settings: &AgentSettings, files: ApiFiles) -> Result<Self> {
        let http = &settings.http;
        let ApiFiles { access, tls } = files;
        let main = Listening {
            listener: listen(settings.http_listen)?,
            tls,
            connections: http.http_connections.saturating_add(LONG_REQUESTS_MAX),
            headers_timeout: http::HEADERS_TIMEOUT,
            headers_bytes: http::HEADERS_BYTES_MAX,
            headers_max: http::HEADERS_MAX,
            allow: Vec::new(),
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
                headers_bytes: http::HEADERS_BYTES_MAX,
                headers_max: http::HEADERS_MAX,
                allow: Vec::new(),
            });
        }
        let mut traffic = None;
        if let Some(address) = settings.traffic.traffic_listen {
            connections = connections.saturating_add(http::TRAFFIC_CONNECTIONS_MAX);
            traffic = Some(Listening {
                listener: listen(address)?,
                tls: None,
                connections: http::TRAFFIC_CONNECTIONS_MAX,
                headers_timeout: http::TRAFFIC_HEADERS_TIMEOUT,
                headers_bytes: http::TRAFFIC_HEADERS_BYTES_MAX,
                headers_max: http::TRAFFIC_HEADERS_MAX,
                allow: settings.traffic.traffic_allow.clone(),
            });
        }
        warn_of_file_limit(connections);
        let hosts = if settings.http_listen.ip().is_loopback() {
            Hosts::Local
        } else {
            Hosts::Any
        };
        let guard = Guard::with_page(hosts, main.tls.is_some());
        Ok(Self {
            main,
            health,
            traffic,
            traffic_settings: settings.traffic.clone(),
            access,
            guard,
            host: host(settings),
        })
    }

    /// Returns the bound addresses.
    pub(super) fn addresses(&self) -> io::Result<Addresses> {
        let address = |listening: &Option<Listening>| {
            let listener = listening.as_ref().map(|listening| &listening.listener);
            listener.map(TcpListener::local_addr).transpose()
        };
        Ok(Addresses {
            api: self.main.listener.local_addr()?,
            health: address(&self.health)?,
            traffic: address(&self.traffic)?,
        })
    }

    /// Returns the parts that can be reloaded: the tokens and the certificate, where there are any.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        let access = self.access.clone();
        let tokens = self
            .access
            .has_tokens()
            .then(|| Part::of_files("api-tokens", move || access.reload()));
        let certificate = self.main.tls.clone().map(|tls| {
            let host = self.host.clone();
            Part::of_files("certificate", move || {
                reload_certificate(&tls, host.as_deref())
            })
        });
        tokens.into_iter().chain(certificate)
    }

    /// Returns the gauge of the end of the certificate, which is 0 where there is none.
    pub(super) fn certificate_expiry(&self) -> Gauge {
        self.main.tls.as_ref().map(Tls::expiry).unwrap_or_default()
    }

    /// Serves until `shutdown` resolves and requests have ended; health and traffic as long as the API.
    pub(super) async fn serve(
        self,
        state: AppState,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) {
        let (stop_others, others_stopped) = watch::channel(());
        let stopped = || {
            let mut stopped = others_stopped.clone();
            async move {
                // An error means that the API has ended.
                let _ = stopped.changed().await;
            }
        };
        let health = async {
            if let Some(health) = self.health {
                let routes = http::health_routes(state.clone());
                http::serve(health, routes, state.listener_metrics("health"), stopped()).await;
            }
        };
        let traffic = async {
            if let (Some(listening), Some(traffic)) = (self.traffic, state.traffic()) {
                let metrics = state.traffic_metrics();
                let routes = http::traffic_routes(traffic, &self.traffic_settings, metrics);
                let metrics = state.listener_metrics("traffic");
                http::serve(listening, routes, metrics, stopped()).await;
            }
        };
        let main = async {
            let routes = http::api_routes(state.clone(), self.access, self.guard);
            http::serve(self.main, routes, state.listener_metrics("api"), shutdown).await;
            drop(stop_others);
        };
        tokio::join!(main, health, traffic);
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
