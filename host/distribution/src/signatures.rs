//! Signatures as a registry holds them: an image under the tag `sha256-HEX.sig`, a layer for each signature.
//!
//! Source: cosign, "Signature specification". The layers are the signed texts, the signatures are annotations of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use thiserror::Error;

use crate::digest::Digest;
use crate::manifest::{Descriptor, ImageManifest, InvalidManifest, MANIFEST_TYPE};
use crate::proof::{PAYLOAD_BYTES_MAX, SIGNATURES_MAX, Signature};

#[cfg(test)]
mod tests;

/// The media type of signed texts.
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation with the signature of a signed text.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The media type of the config, which cosign expects.
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// Signatures in a registry that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidSignatures {
    /// Their manifest is damaged.
    #[error("their manifest is no image manifest")]
    Manifest,
    /// There are too many.
    #[error("there are {0}, and at most {SIGNATURES_MAX} are read")]
    Count(usize),
}

/// Damage of one signature, which others beside it do not share.
#[derive(Debug, Error)]
pub(crate) enum Damage {
    #[error("its signed text has {0} bytes, and at most {PAYLOAD_BYTES_MAX} are read")]
    Payload(u64),
    #[error("its annotation holds no signature in base64")]
    Annotation,
}

/// A signature whose text is not read yet.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) payload: Descriptor,
    pub(crate) signature: Result<Vec<u8>, Damage>,
}

/// The image of signatures: config and manifest.
#[derive(Debug)]
pub(crate) struct SignatureImage {
    pub(crate) config: Bytes,
    pub(crate) manifest: Bytes,
}

/// Returns the tag with the signatures of a manifest.
pub(crate) fn tag(manifest: &Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

/// Describes a signature as a layer.
pub(crate) fn layer(signature: &Signature) -> Descriptor {
    let mut layer = Descriptor::of(PAYLOAD_TYPE, &signature.payload);
    let text = STANDARD.encode(&signature.signature);
    layer
        .annotations
        .insert(SIGNATURE_ANNOTATION.to_string(), text);
    layer
}

/// Makes the image of layers.
pub(crate) fn image(layers: Vec<Descriptor>) -> Result<SignatureImage, InvalidManifest> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let config = json!({
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = Bytes::from(config.to_string());
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE.to_string(),
        config: Descriptor::of(CONFIG_TYPE, &config),
        layers,
        annotations: Default::default(),
    };
    let manifest = manifest.to_json()?;
    Ok(SignatureImage { config, manifest })
}

/// Returns the signatures that an image lists, damaged ones too.
pub(crate) fn listed(manifest: &[u8]) -> Result<Vec<Listed>, InvalidSignatures> {
    let image = ImageManifest::parse(manifest).map_err(|_| InvalidSignatures::Manifest)?;
    let is_payload = |layer: &Descriptor| layer.media_type == PAYLOAD_TYPE;
    let layers: Vec<_> = image.layers.into_iter().filter(is_payload).collect();
    if layers.len() > SIGNATURES_MAX {
        return Err(InvalidSignatures::Count(layers.len()));
    }
    let listed = layers.into_iter().map(|payload| Listed {
        signature: signature(&payload),
        payload,
    });
    Ok(listed.collect())
}

fn signature(payload: &Descriptor) -> Result<Vec<u8>, Damage> {
    if !usize::try_from(payload.size).is_ok_and(|size| size <= PAYLOAD_BYTES_MAX) {
        return Err(Damage::Payload(payload.size));
    }
    let text = payload.annotations.get(SIGNATURE_ANNOTATION);
    let signature = text.and_then(|text| STANDARD.decode(text).ok());
    signature.ok_or(Damage::Annotation)
}
