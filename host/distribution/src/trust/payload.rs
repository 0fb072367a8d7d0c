//! The text that is signed: cosign's simple signing.
//!
//! Source of the format: cosign's signature specification, "Simple Signing". It names the digest of a manifest and the
//! repository of the signer's choice.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::name::canonical;
use crate::digest::Digest;
use crate::proof::PAYLOAD_BYTES_MAX;
use edge_cache_core::text;

/// The `type` of signatures of images and other artifacts.
const TYPE: &str = "cosign container image signature";
/// The longest reason in an error, in bytes: it may quote the text.
const REASON_BYTES_MAX: usize = 128;

/// The claims of a text that may be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    /// The repository, without tag and digest.
    pub(crate) identity: String,
    /// The digest of the manifest.
    pub(crate) manifest: Digest,
}

/// A text that is no claim.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum InvalidPayload {
    #[error("it is larger than {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge,
    #[error("{0}")]
    Json(String),
    #[error("its type is `{0}`, and must be `{TYPE}`")]
    Type(String),
}

// Members beside these would be claims that are not understood.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SimpleSigning {
    critical: Critical,
    #[serde(default)]
    optional: Option<Map<String, Value>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: Digest,
}

impl Payload {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, InvalidPayload> {
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(InvalidPayload::TooLarge);
        }
        let parsed: SimpleSigning = serde_json::from_slice(bytes).map_err(|error| {
            InvalidPayload::Json(text::clean(&error.to_string(), REASON_BYTES_MAX))
        })?;
        let critical = parsed.critical;
        if critical.kind != TYPE {
            let kind = text::clean(&critical.kind, REASON_BYTES_MAX);
            return Err(InvalidPayload::Type(kind));
        }
        Ok(Self {
            identity: canonical(&critical.identity.docker_reference),
            manifest: critical.image.docker_manifest_digest,
        })
    }

    /// Writes the text as cosign does.
    pub(crate) fn write(manifest: Digest, identity: &str) -> Vec<u8> {
        let payload = SimpleSigning {
            critical: Critical {
                identity: Identity {
                    docker_reference: identity.to_string(),
                },
                image: Image {
                    docker_manifest_digest: manifest,
                },
                kind: TYPE.to_string(),
            },
            optional: None,
        };
        // Texts in plain structures can be written.
        serde_json::to_vec(&payload).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
