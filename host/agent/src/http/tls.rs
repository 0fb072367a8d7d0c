//! TLS for the API: authenticates the agent and encrypts requests.
//!
//! The only file that knows rustls. No error and no log line shows a key.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::limits::HANDSHAKE_TIMEOUT;
use crate::trusted_file;
use edge_cache_core::text;

#[cfg(test)]
mod tests;

/// The only protocol inside TLS.
const PROTOCOL: &[u8] = b"http/1.1";
/// The longest chain of certificates.
const CHAIN_MAX: usize = 16;

/// A certificate chain with its key, from two files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Pair>);

#[derive(Debug)]
struct Pair {
    certificates: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads a chain of certificates and its key, both PEM. The key must not be readable by others.
    ///
    /// # Errors
    ///
    /// A file cannot be read, holds something else, or the two do not belong together.
    pub fn read(certificates: PathBuf, key: PathBuf) -> Result<Self> {
        let config = ArcSwap::from_pointee(config(&certificates, &key)?);
        Ok(Self(Arc::new(Pair {
            certificates,
            key,
            config,
        })))
    }

    /// Reloads both files for new connections. A pair that cannot be used changes nothing.
    pub fn reload(&self) {
        let pair = &*self.0;
        match config(&pair.certificates, &pair.key) {
            Ok(config) => {
                pair.config.store(Arc::new(config));
                tracing::info!("HTTP certificate replaced");
            }
            Err(error) => {
                let error = text::error_chain(error.as_ref());
                tracing::error!(error, "the HTTP certificate stays as it is");
            }
        }
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.0.config.load_full());
        timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await?
    }
}

/// Installs ring as the default cryptography of this process. HTTP clients of reqwest need it before they are made,
/// even for plain HTTP.
pub fn use_ring() {
    // An error means that another one is installed, which stays.
    let _ = ring::default_provider().install_default();
}

fn config(certificates: &Path, key: &Path) -> Result<ServerConfig> {
    let chain = read_chain(certificates)?;
    let private = read_key(key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        })
        .with_context(|| {
            format!(
                "the certificate in {} and the key in {} cannot be used together",
                certificates.display(),
                key.display()
            )
        })?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
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
