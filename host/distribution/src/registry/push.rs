//! Writing to a registry: blobs, manifests and signatures. A mirror is never written to.

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};

use super::error::RegistryError;
use super::place::Place;
use super::transport::Ask;
use super::{Shared, blob_url, damaged, join, manifest_url, named_digest, wrong_digest};
use crate::digest::Digest;
use crate::manifest::{ImageManifest, MANIFEST_TYPE};
use crate::proof::{SIGNATURES_MAX, Signature};
use crate::signatures::{self, InvalidSignatures};

/// The media type of a blob that is written.
const BLOB_TYPE: &str = "application/octet-stream";

impl Shared {
    /// Adds signatures to those that the registry has.
    pub(super) async fn push_signatures(
        &self,
        place: &Place,
        manifest: &Digest,
        added: &[Signature],
    ) -> Result<(), RegistryError> {
        let tag = signatures::tag(manifest);
        let damaged = |reason| damaged(place, manifest, reason);
        let mut layers = match self.manifest_if_any(place, &tag, None).await? {
            Ok(found) => {
                let image = ImageManifest::parse(&found);
                image
                    .map_err(|_| damaged(InvalidSignatures::Manifest))?
                    .layers
            }
            Err(_) => Vec::new(),
        };
        for signature in added {
            let layer = signatures::layer(signature);
            if !layers.contains(&layer) {
                self.put_blob(place, &signature.payload).await?;
                layers.push(layer);
            }
        }
        if layers.len() > SIGNATURES_MAX {
            return Err(damaged(InvalidSignatures::Count(layers.len())));
        }
        let invalid = |source| RegistryError::Manifest {
            what: tag.clone(),
            source,
        };
        let image = signatures::image(layers).map_err(invalid)?;
        self.put_blob(place, &image.config).await?;
        self.put_manifest(place, &tag, &image.manifest).await
    }

    /// Writes a blob, unless the registry has it.
    pub(super) async fn put_blob(
        &self,
        place: &Place,
        content: &Bytes,
    ) -> Result<(), RegistryError> {
        let digest = Digest::of(content);
        let ask = Ask::new(Method::HEAD, blob_url(place, &digest)?);
        let response = self.transport.send(place, &ask).await?;
        if response.status().is_success() {
            return Ok(());
        }
        let ask = Ask::new(Method::POST, join(place, "blobs/uploads/")?);
        let response = self.transport.send(place, &ask).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.transport.refused(place, response, "an upload").await);
        }
        let mut url = self
            .transport
            .location(place, &ask.url, response.headers())?;
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        self.put(place, url, BLOB_TYPE, content, "a blob").await
    }

    /// Writes a manifest under a tag or its digest.
    pub(super) async fn put_manifest(
        &self,
        place: &Place,
        name: &str,
        content: &Bytes,
    ) -> Result<(), RegistryError> {
        let url = manifest_url(place, name)?;
        self.put(place, url, MANIFEST_TYPE, content, "a manifest")
            .await
    }

    async fn put(
        &self,
        place: &Place,
        url: Url,
        media_type: &str,
        content: &Bytes,
        what: &'static str,
    ) -> Result<(), RegistryError> {
        let mut ask = Ask::new(Method::PUT, url);
        ask.body = Some((media_type, content.clone()));
        let response = self.transport.send(place, &ask).await?;
        if !response.status().is_success() {
            return Err(self.transport.refused(place, response, what).await);
        }
        let digest = Digest::of(content);
        match named_digest(response.headers()).filter(|named| *named != digest) {
            Some(found) => Err(wrong_digest(place, what, digest, found)),
            None => Ok(()),
        }
    }
}
