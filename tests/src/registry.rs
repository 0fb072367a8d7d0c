//! Registries of plugins: Debian's, with TLS and passwords as a test wants them, and a scripted one that misbehaves.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge_cache_distribution::{
    Credentials, Digest, Interface, MANIFEST_TYPE, Publication, RegistryClient, RegistryConfig,
    Signature,
};
use futures_util::stream;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::agent::write_secret;
use crate::debian::DOCKER_REGISTRY;
use crate::proxies::Server;

/// The user name and the password of a private registry.
pub const USER: &str = "edge";
/// See [`USER`].
pub const PASSWORD: &str = "secret-of-edge";
/// The line of both for `htpasswd`, with bcrypt.
const HTPASSWD: &str = "edge:$2y$05$1fNPuxuTA2mCIO4KF5Jfaegogq..WDZ5HWBEZrkXaeq6fQrWt9Q8i";
/// The repository of the tests.
pub const REPOSITORY: &str = "acme/plugin";
/// The size of a chunk of an endless body, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A certificate for loopback, as PEM, with its key.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate, which is its own root.
    pub pem: String,
    key: String,
}

impl Certificate {
    /// Makes a certificate.
    ///
    /// # Errors
    ///
    /// There is no random number.
    pub fn new() -> Result<Self> {
        let names = ["localhost".to_string(), "127.0.0.1".to_string()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        Ok(Self {
            pem: cert.pem(),
            key: KeyPair::serialize_pem(&signing_key),
        })
    }

    /// Returns the configuration of a TLS server that presents it.
    ///
    /// # Errors
    ///
    /// The certificate or its key is invalid.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        // Another test may have set it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain = vec![CertificateDer::from_pem_slice(self.pem.as_bytes())?];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let config = ServerConfig::builder().with_no_client_auth();
        Ok(Arc::new(config.with_single_cert(chain, key)?))
    }

    /// Writes `cert.pem` and `key.pem`, which others may not read.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join("cert.pem"), &self.pem)?;
        Ok(write_secret(&folder.join("key.pem"), &self.key)?)
    }
}

/// Starts Debian's registry; none where it is missing.
///
/// # Errors
///
/// With what it said, where it does not start.
pub async fn docker_registry(
    tls: Option<&Certificate>,
    is_private: bool,
) -> Result<Option<Server>> {
    debian(|folder| {
        let place = folder.display();
        let mut config = String::new();
        if let Some(tls) = tls {
            tls.write(folder)?;
            config +=
                &format!("  tls:\n    certificate: {place}/cert.pem\n    key: {place}/key.pem\n");
        }
        if is_private {
            fs::write(folder.join("htpasswd"), HTPASSWD)?;
            config +=
                &format!("auth:\n  htpasswd:\n    realm: tests\n    path: {place}/htpasswd\n");
        }
        Ok(config)
    })
    .await
}

/// Starts Debian's registry with these lines at the end of its configuration; none where it is missing.
///
/// # Errors
///
/// With what it said, where it does not start.
pub async fn debian(more: impl Fn(&Path) -> Result<String>) -> Result<Option<Server>> {
    let Some(program) = DOCKER_REGISTRY.program() else {
        return Ok(None);
    };
    let server = Server::start(|folder, address| {
        let place = folder.display();
        let more = more(folder)?;
        let config = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {place}/data\nhttp:\n  addr: {address}\n  \
             secret: of-the-test\n{more}"
        );
        let file = folder.join("config.yml");
        fs::write(&file, config)?;
        let file = file.display().to_string();
        Ok(vec![program.to_string(), "serve".to_string(), file])
    });
    Ok(Some(server.await?))
}

/// Returns the settings of a client for registries on loopback that waits for nothing long.
#[must_use]
pub fn quick() -> RegistryConfig {
    RegistryConfig {
        plain_http: true,
        read_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(20),
        backoff: Duration::from_millis(1),
        ..RegistryConfig::default()
    }
}

/// Returns a client with these settings.
///
/// # Errors
///
/// The settings are invalid.
pub fn client(config: RegistryConfig) -> Result<RegistryClient> {
    // Another test may have set it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(RegistryClient::new(config)?)
}

/// Returns the content of a credentials file for a registry.
#[must_use]
pub fn credentials_file(registry: &str, user: &str, password: &str) -> String {
    format!(r#"{{"auths":{{"{registry}":{{"username":"{user}","password":"{password}"}}}}}}"#)
}

/// Returns credentials for a registry.
///
/// # Errors
///
/// A text has quotation marks.
pub fn credentials(registry: &str, user: &str, password: &str) -> Result<Credentials> {
    let file = credentials_file(registry, user, password);
    Ok(Credentials::from_json(file.as_bytes())?)
}

/// Makes a plugin of any content for a registry.
///
/// # Errors
///
/// There is none.
pub fn publication(component: impl Into<Bytes>) -> Result<Publication> {
    let annotations = BTreeMap::from([("org.opencontainers.image.version", "1.2.3")]);
    let annotations = annotations.into_iter();
    let annotations = annotations.map(|(key, value)| (key.to_string(), value.to_string()));
    let made = Publication::new(component, &Interface::default(), annotations.collect());
    Ok(made?)
}

/// A request that a scripted registry got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The path with the query.
    pub path: String,
    /// The header `Authorization`.
    pub authorization: Option<String>,
}

/// A scripted registry in the test's process, which serves until the test's runtime ends.
#[derive(Debug, Clone)]
pub struct Scripted {
    /// The address that it serves.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    contents: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

type Script = Arc<dyn Fn(&Seen) -> Option<Response> + Send + Sync>;

impl Scripted {
    /// Starts a registry that answers as the script says, and where it says nothing from its contents.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub async fn start(
        script: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// Starts one at another address.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub async fn start_at(
        address: &str,
        script: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let registry = Self {
            address: listener.local_addr()?,
            seen: Arc::default(),
            contents: Arc::default(),
        };
        let script: Script = Arc::new(script);
        let routes = Router::new()
            .fallback(answer)
            .with_state((registry.clone(), script));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(registry)
    }

    /// Adds a plugin under a tag.
    pub fn add(&self, tag: &str, plugin: &Publication) {
        let manifest = &plugin.manifest;
        self.add_manifest(tag, &manifest.bytes);
        self.add_manifest(&manifest.digest.to_string(), &manifest.bytes);
        self.add_blob(&plugin.component);
        self.add_blob(&plugin.config);
    }

    /// Adds a manifest under a tag or a digest.
    pub fn add_manifest(&self, name: &str, content: &Bytes) {
        let path = format!("/v2/{REPOSITORY}/manifests/{name}");
        lock(&self.contents).insert(path, content.clone());
    }

    /// Adds a blob.
    pub fn add_blob(&self, content: &Bytes) {
        let path = format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(content));
        lock(&self.contents).insert(path, content.clone());
    }

    /// Adds signatures of a manifest, as cosign lays them out.
    pub fn sign(&self, manifest: &Digest, signatures: &[Signature]) {
        let layers = signatures.iter().map(|signature| {
            self.add_blob(&signature.payload);
            serde_json::json!({
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": Digest::of(&signature.payload),
                "size": signature.payload.len(),
                "annotations": {
                    "dev.cosignproject.cosign/signature": STANDARD.encode(&signature.signature),
                },
            })
        });
        let config = Bytes::from_static(b"{}");
        self.add_blob(&config);
        let image = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": Digest::of(&config),
                "size": config.len(),
            },
            "layers": layers.collect::<Vec<_>>(),
        });
        let tag = format!("sha256-{}.sig", manifest.hex());
        self.add_manifest(&tag, &Bytes::from(image.to_string()));
    }

    /// Returns a reference to a tag.
    #[must_use]
    pub fn reference(&self, tag: &str) -> String {
        format!("oci://{}/{REPOSITORY}:{tag}", self.address)
    }

    /// Returns all requests.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }
}

async fn answer(
    State((registry, script)): State<(Scripted, Script)>,
    request: Request,
) -> Response {
    let header = request.headers().get(AUTHORIZATION);
    let authorization = header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let seen = Seen {
        method: request.method().clone(),
        path: request.uri().to_string(),
        authorization,
    };
    lock(&registry.seen).push(seen.clone());
    if let Some(response) = script(&seen) {
        return response;
    }
    match lock(&registry.contents).get(&seen.path) {
        Some(content) => {
            let digest = ("docker-content-digest", Digest::of(content).to_string());
            let media_type = (CONTENT_TYPE.as_str(), MANIFEST_TYPE.to_string());
            ([digest, media_type], content.clone()).into_response()
        }
        None => error(StatusCode::NOT_FOUND, "not there"),
    }
}

/// Returns an error as registries give it.
#[must_use]
pub fn error(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "errors": [{ "code": "UNKNOWN", "message": message }] });
    (status, body.to_string()).into_response()
}

/// Returns a body without an end, and the number of its bytes that were taken so far.
pub fn endless() -> (Body, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let count = taken.clone();
    let chunks = stream::repeat_with(move || {
        count.fetch_add(CHUNK_BYTES as u64, Ordering::Relaxed);
        Ok::<_, std::convert::Infallible>(Bytes::from_static(&[0; CHUNK_BYTES]))
    });
    (Body::from_stream(chunks), taken)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
