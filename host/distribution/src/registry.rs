//! The client of registries: the OCI distribution protocol with bounds on size, time and tries.
//!
//! All that a registry sends is compared with the digest that it was asked for by, and read no further than its size or
//! limit. A reference with a digest is asked for by that digest.

mod auth;
mod config;
mod credentials;
mod error;
mod place;
mod push;
mod transport;

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use self::config::Mirrors;
use self::place::{Access, Place, is_loopback};
use self::transport::{Ask, Transport};
use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::manifest::{Descriptor, MANIFEST_BYTES_MAX, Manifest};
use crate::proof::{DamagedSignature, Proof, Signature};
use crate::publication::Publication;
use crate::reference::Reference;
use crate::signatures::{self, InvalidSignatures};

pub use self::config::{InvalidMirror, Mirror, RegistryConfig, RegistryConfigError};
pub use self::credentials::{Credentials, InvalidCredentials};
pub use self::error::RegistryError;

/// The largest config that is read. It is kept for other tools only.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;
/// An index is asked for too, so that its error can say what it is.
const MANIFEST_TYPES: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// The beginning of the artifact types of sigstore bundles of all versions.
const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle";
const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");

/// A client of all registries. Cheap to clone; clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct RegistryClient(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    transport: Transport,
    credentials: Credentials,
    mirrors: Mirrors,
    plain_http: bool,
}

impl RegistryClient {
    /// Creates a client. The process needs a default provider of cryptography for rustls.
    ///
    /// # Errors
    ///
    /// Any [`RegistryConfigError`].
    pub fn new(config: RegistryConfig) -> Result<Self, RegistryConfigError> {
        Ok(Self(Arc::new(Shared {
            transport: Transport::new(&config)?,
            mirrors: config::by_registry(&config.mirrors)?,
            credentials: config.credentials,
            plain_http: config.plain_http,
        })))
    }

    /// Reads manifest and signatures.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    pub async fn proof(&self, reference: &Reference) -> Result<Proof, RegistryError> {
        let place = self.0.place(reference, Access::Pull)?;
        let work = self.0.proof(&place, reference);
        self.0.transport.within(&place, work).await
    }

    /// Reads the component that a proof's manifest lists, of at most the given size.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    pub async fn complete(
        &self,
        reference: &Reference,
        proof: Proof,
        component_bytes_max: u64,
    ) -> Result<Artifact, RegistryError> {
        let place = self.0.place(reference, Access::Pull)?;
        let work = self.0.complete(&place, proof, component_bytes_max);
        self.0.transport.within(&place, work).await
    }

    /// Reads a plugin whose component has at most the given size.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    pub async fn pull(
        &self,
        reference: &Reference,
        component_bytes_max: u64,
    ) -> Result<Artifact, RegistryError> {
        let place = self.0.place(reference, Access::Pull)?;
        let work = async {
            let proof = self.0.proof(&place, reference).await?;
            self.0.complete(&place, proof, component_bytes_max).await
        };
        self.0.transport.within(&place, work).await
    }

    /// Writes a plugin under the tag of a reference, or under its digest only. Returns the reference with the digest.
    /// A mirror is not asked.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    pub async fn push(
        &self,
        reference: &Reference,
        publication: &Publication,
    ) -> Result<Reference, RegistryError> {
        let place = self.0.place(reference, Access::Push)?;
        let Publication {
            component,
            config,
            manifest,
        } = publication;
        if let Some(expected) = reference
            .digest()
            .filter(|digest| *digest != manifest.digest)
        {
            let found = manifest.digest;
            return Err(RegistryError::OtherDigest { expected, found });
        }
        let work = async {
            self.0.put_blob(&place, component).await?;
            self.0.put_blob(&place, config).await?;
            let digest = manifest.digest.to_string();
            let name = reference.tag().unwrap_or(&digest);
            self.0.put_manifest(&place, name, &manifest.bytes).await
        };
        self.0.transport.within(&place, work).await?;
        Ok(reference.clone().with_digest(manifest.digest))
    }

    /// Adds signatures of a manifest to those that the registry has. Of two that do this at the same time, one may be lost.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`].
    pub async fn push_signatures(
        &self,
        reference: &Reference,
        manifest: &Digest,
        signatures: &[Signature],
    ) -> Result<(), RegistryError> {
        let place = self.0.place(reference, Access::Push)?;
        let work = self.0.push_signatures(&place, manifest, signatures);
        self.0.transport.within(&place, work).await
    }
}

impl Shared {
    /// Returns the place at which a repository is asked.
    fn place(&self, reference: &Reference, access: Access) -> Result<Place, RegistryError> {
        let mirror = self.mirrors.get(reference.registry());
        let (host, prefix) = match mirror.filter(|_| access == Access::Pull) {
            Some((host, prefix)) => (host.as_str(), prefix.as_str()),
            None => (reference.registry(), ""),
        };
        let repository = format!("{prefix}{}", reference.repository());
        let url = |scheme: &str| {
            let url = Url::parse(&format!("{scheme}://{host}/v2/{repository}/"));
            url.map_err(|error| RegistryError::Unreachable {
                registry: host.to_string(),
                reason: error.to_string(),
            })
        };
        let tls = url("https")?;
        let is_plain = self.plain_http && is_loopback(&tls);
        Ok(Place {
            registry: host.to_string(),
            base: if is_plain { url("http")? } else { tls },
            account: self.credentials.of(host, &repository).cloned(),
            repository,
            access,
        })
    }

    async fn proof(&self, place: &Place, reference: &Reference) -> Result<Proof, RegistryError> {
        let digest = reference.digest();
        let name = match &digest {
            Some(digest) => digest.to_string(),
            None => reference.tag().unwrap_or_default().to_string(),
        };
        let found = self.manifest(place, &name, digest).await?;
        let manifest = Manifest::parse(found).map_err(|source| RegistryError::Manifest {
            what: reference.to_string(),
            source,
        })?;
        let digest = manifest.digest;
        let mut proof = Proof::new(manifest, Vec::new());
        self.read_signatures(place, &mut proof).await?;
        proof.has_bundle = proof.signatures.is_empty() && self.has_bundle(place, &digest).await;
        Ok(proof)
    }

    async fn complete(
        &self,
        place: &Place,
        proof: Proof,
        component_bytes_max: u64,
    ) -> Result<Artifact, RegistryError> {
        let Manifest {
            component, config, ..
        } = &proof.manifest;
        if component.size > component_bytes_max {
            return Err(RegistryError::ComponentTooLarge {
                bytes: component.size,
                max: component_bytes_max,
            });
        }
        let content = self.blob(place, component, "the plugin").await?;
        let config = match config.size <= CONFIG_BYTES_MAX {
            // Nothing here needs it.
            true => self.blob(place, config, "a config").await.ok(),
            false => None,
        };
        Ok(Artifact {
            component: content,
            config,
            proof,
        })
    }

    /// Reads a manifest of any kind by tag or digest.
    async fn manifest(
        &self,
        place: &Place,
        name: &str,
        expected: Option<Digest>,
    ) -> Result<Bytes, RegistryError> {
        let found = self.manifest_if_any(place, name, expected).await?;
        found.map_err(|error| *error)
    }

    /// Reads a manifest, or returns the error that says that there is none.
    async fn manifest_if_any(
        &self,
        place: &Place,
        name: &str,
        expected: Option<Digest>,
    ) -> Result<Result<Bytes, Box<RegistryError>>, RegistryError> {
        let mut ask = Ask::new(Method::GET, manifest_url(place, name)?);
        ask.accept = Some(MANIFEST_TYPES);
        let response = self.transport.send(place, &ask).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(Err(Box::new(self.no_manifest(place, name, response).await)));
        }
        if !response.status().is_success() {
            return Err(self.no_manifest(place, name, response).await);
        }
        let named = named_digest(response.headers());
        let bytes = self.read(place, response, "a manifest").await?;
        let digest = Digest::of(&bytes);
        let mut named = [expected, named].into_iter().flatten();
        match named.find(|named| *named != digest) {
            Some(expected) => Err(wrong_digest(place, "a manifest", expected, digest)),
            None => Ok(Ok(bytes)),
        }
    }

    async fn no_manifest(&self, place: &Place, name: &str, response: Response) -> RegistryError {
        let separator = if name.contains(':') { '@' } else { ':' };
        let what = format!("`{}{separator}{name}`", place.repository);
        self.transport.refused(place, response, &what).await
    }

    async fn read(
        &self,
        place: &Place,
        response: Response,
        what: &'static str,
    ) -> Result<Bytes, RegistryError> {
        let body = self
            .transport
            .read(place, response, what, MANIFEST_BYTES_MAX)
            .await?;
        body.ok_or_else(|| RegistryError::ManifestTooLarge {
            registry: place.registry.clone(),
        })
    }

    /// Reads a blob, no further than the size that its descriptor names.
    async fn blob(
        &self,
        place: &Place,
        descriptor: &Descriptor,
        what: &'static str,
    ) -> Result<Bytes, RegistryError> {
        let url = blob_url(place, &descriptor.digest)?;
        let ask = Ask::new(Method::GET, url);
        let response = self.transport.send(place, &ask).await?;
        if !response.status().is_success() {
            let name = format!("blob `{}`", descriptor.digest);
            return Err(self.transport.refused(place, response, &name).await);
        }
        let wrong_size = |found| RegistryError::WrongSize {
            registry: place.registry.clone(),
            what,
            expected: descriptor.size,
            found,
        };
        let length = response.content_length();
        let max = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        let body = self.transport.read(place, response, what, max).await?;
        let beyond = length.unwrap_or_else(|| descriptor.size.saturating_add(1));
        let body = body.ok_or_else(|| wrong_size(beyond))?;
        if body.len() < max {
            return Err(wrong_size(u64::try_from(body.len()).unwrap_or(u64::MAX)));
        }
        let found = Digest::of(&body);
        if found != descriptor.digest {
            return Err(wrong_digest(place, what, descriptor.digest, found));
        }
        Ok(body)
    }

    /// Reads the signatures of a manifest. As with cosign, a damaged one spoils none of the others.
    async fn read_signatures(&self, place: &Place, proof: &mut Proof) -> Result<(), RegistryError> {
        let manifest = proof.manifest.digest;
        let tag = signatures::tag(&manifest);
        let Ok(found) = self.manifest_if_any(place, &tag, None).await? else {
            return Ok(());
        };
        let listed = signatures::listed(&found);
        for listed in listed.map_err(|reason| damaged(place, &manifest, reason))? {
            let payload = listed.payload.digest;
            let read = match listed.signature {
                Ok(signature) => match self.blob(place, &listed.payload, "a signature").await {
                    Ok(payload) => Ok(Signature { payload, signature }),
                    Err(error) if error.is_damage() => Err(error.to_string()),
                    Err(error) => return Err(error),
                },
                Err(damage) => Err(damage.to_string()),
            };
            match read {
                Ok(signature) => proof.signatures.push(signature),
                Err(reason) => proof.damaged.push(DamagedSignature { payload, reason }),
            }
        }
        Ok(())
    }

    /// Returns whether a sigstore bundle refers to a manifest. Only the text of a refusal depends on it, so no error counts.
    async fn has_bundle(&self, place: &Place, manifest: &Digest) -> bool {
        #[derive(Deserialize)]
        struct Index {
            manifests: Vec<Referrer>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Referrer {
            artifact_type: Option<String>,
        }
        let referrers = self.referrers(place, manifest).await;
        let index = referrers.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
        let referrers = index.into_iter().flat_map(|index| index.manifests);
        let mut types = referrers.filter_map(|referrer| referrer.artifact_type);
        types.any(|artifact_type| artifact_type.starts_with(BUNDLE_TYPE))
    }

    /// Reads the index of what refers to a manifest: by the API, or by the tag that stands for it in older registries.
    async fn referrers(&self, place: &Place, manifest: &Digest) -> Option<Bytes> {
        let url = join(place, &format!("referrers/{manifest}")).ok()?;
        let mut ask = Ask::new(Method::GET, url);
        ask.accept = Some(INDEX_TYPE);
        let response = self.transport.send(place, &ask).await.ok()?;
        if response.status().is_success() {
            return self.read(place, response, "referrers").await.ok();
        }
        let tag = format!("sha256-{}", manifest.hex());
        let found = self.manifest_if_any(place, &tag, None).await.ok()?;
        found.ok()
    }
}

fn named_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(DIGEST_HEADER)?.to_str().ok()?.parse().ok()
}

fn manifest_url(place: &Place, name: &str) -> Result<Url, RegistryError> {
    join(place, &format!("manifests/{name}"))
}

fn blob_url(place: &Place, digest: &Digest) -> Result<Url, RegistryError> {
    join(place, &format!("blobs/{digest}"))
}

fn join(place: &Place, path: &str) -> Result<Url, RegistryError> {
    let url = place.base.join(path);
    url.map_err(|error| RegistryError::Unreachable {
        registry: place.registry.clone(),
        reason: error.to_string(),
    })
}

fn wrong_digest(
    place: &Place,
    what: &'static str,
    expected: Digest,
    found: Digest,
) -> RegistryError {
    RegistryError::WrongDigest {
        registry: place.registry.clone(),
        what,
        expected,
        found,
    }
}

fn damaged(place: &Place, manifest: &Digest, reason: InvalidSignatures) -> RegistryError {
    RegistryError::Signatures {
        what: format!("{}@{manifest}", place.repository),
        reason,
        tag: signatures::tag(manifest),
    }
}
