//! TLS for the API: authenticates the agent and encrypts requests.
//!
//! The only file that knows rustls. No error and no log line shows a key.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::limits::HANDSHAKE_TIMEOUT;
use crate::reload::Reloaded;
use crate::trusted_file;

#[cfg(test)]
mod tests;

/// The only protocol inside TLS.
const PROTOCOL: &[u8] = b"http/1.1";
/// The year 10000 in seconds since 1970.
const RFC3339_END: i64 = 253_402_300_800;
/// The longest chain of certificates.
const CHAIN_MAX: usize = 16;

/// A certificate chain with its key, from two files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Pair>);

#[derive(Debug)]
struct Pair {
    certificates: PathBuf,
    key: PathBuf,
    loaded: ArcSwap<Loaded>,
    /// The end of the certificate, in seconds since 1970.
    expiry: Gauge,
}

/// The content of the two files.
#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// The certificates, the agent's own first.
    chain: Vec<CertificateDer<'static>>,
    valid_until: ASN1Time,
}

impl Tls {
    /// Reads a chain of certificates and its key, both PEM. The key must not be readable by others.
    ///
    /// # Errors
    ///
    /// A file cannot be read, holds something else, the two do not belong together, or the certificate is not valid now.
    pub fn read(certificates: PathBuf, key: PathBuf) -> Result<Self> {
        let loaded = Loaded::read(&certificates, &key)?;
        let expiry = Gauge::default();
        expiry.set(loaded.valid_until.timestamp());
        Ok(Self(Arc::new(Pair {
            certificates,
            key,
            loaded: ArcSwap::from_pointee(loaded),
            expiry,
        })))
    }

    /// Returns whether the certificate is for a name or an IP address. Clients refuse it under any other.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let loaded = self.0.loaded.load();
        let Some(Ok(certificate)) = loaded.chain.first().map(ParsedCertificate::try_from) else {
            return false;
        };
        ServerName::try_from(host).is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
    }

    /// Reads both files again, for new connections. After an error the pair is that of before.
    pub(crate) fn reload(&self) -> Result<Reloaded> {
        let pair = &*self.0;
        let read = Loaded::read(&pair.certificates, &pair.key)?;
        let detail = format!("valid until {}", rfc3339(read.valid_until));
        // The key of the same certificate is the same.
        if read.chain == pair.loaded.load().chain {
            return Ok(Reloaded::Unchanged(detail));
        }
        pair.expiry.set(read.valid_until.timestamp());
        pair.loaded.store(Arc::new(read));
        Ok(Reloaded::Changed(detail))
    }

    /// Returns the gauge of the certificate's end, in seconds since 1970.
    pub(crate) fn expiry(&self) -> Gauge {
        self.0.expiry.clone()
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.0.loaded.load().config.clone());
        timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await?
    }
}

/// Installs ring as the default cryptography of this process. HTTP clients of reqwest need it before they are made,
/// even for plain HTTP.
pub fn use_ring() {
    // An error means that another one is installed, which stays.
    let _ = ring::default_provider().install_default();
}

impl Loaded {
    fn read(certificates: &Path, key: &Path) -> Result<Self> {
        let chain = read_chain(certificates)?;
        let private = read_key(key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(chain.clone(), private)
            })
            .with_context(|| {
                format!(
                    "the certificate in {} and the key in {} cannot be used together",
                    certificates.display(),
                    key.display()
                )
            })?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A chain has at least one.
        let own = chain.first().context("no certificate")?;
        Ok(Self {
            valid_until: check_dates(own, certificates)?,
            config: Arc::new(config),
            chain,
        })
    }
}

/// Checks that a certificate is valid now, and returns its end.
fn check_dates(certificate: &CertificateDer<'_>, path: &Path) -> Result<ASN1Time> {
    let file = path.display();
    let parsed = X509Certificate::from_der(certificate).ok();
    let (_, parsed) =
        parsed.with_context(|| format!("the first certificate in {file} cannot be read"))?;
    let (validity, now) = (parsed.validity(), ASN1Time::now());
    let (from, until) = (validity.not_before, validity.not_after);
    ensure!(
        from <= now,
        "the certificate in {file} is not valid before {}: check the clock of this machine",
        rfc3339(from)
    );
    ensure!(
        now <= until,
        "the certificate in {file} was valid until {}: renew it",
        rfc3339(until)
    );
    Ok(until)
}

/// Formats a time as all others are. One that RFC 3339 has no form for is shown as the certificate has it.
fn rfc3339(time: ASN1Time) -> String {
    let seconds = u64::try_from(time.timestamp()).ok();
    let time_of =
        seconds.and_then(|it| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(it)));
    // The year 10000 and those after it have five digits.
    let shown = time_of.filter(|_| time.timestamp() < RFC3339_END);
    shown.map_or_else(
        || time.to_string(),
        |it| humantime::format_rfc3339_seconds(it).to_string(),
    )
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let file = path.display();
    let text = trusted_file::read_public(path)
        .with_context(|| format!("the certificate file {file} cannot be used"))?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    chain
        .ok()
        .filter(|chain| (1..=CHAIN_MAX).contains(&chain.len()))
        .with_context(|| {
            format!("{file} must hold 1 to {CHAIN_MAX} certificates in PEM, the agent's own first")
        })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let file = path.display();
    let text = trusted_file::read_secret(path)
        .with_context(|| format!("the key file {file} cannot be used"))?;
    let key = PrivateKeyDer::from_pem_slice(&text).ok();
    key.with_context(|| format!("{file} must hold a private key in PEM, not encrypted"))
}
