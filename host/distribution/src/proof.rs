//! Proofs: the manifest of a plugin and the signatures of that manifest.
//!
//! A registry keeps both; beside a file they are in `FILE.proof`, and an upload carries them as a part of its own. The
//! format is JSON:
//!
//! ```json
//! {"manifest": "BASE64", "signatures": [{"payload": "BASE64", "signature": "BASE64"}]}
//! ```
//!
//! `manifest` is the manifest byte for byte, `payload` a signed text, `signature` what signed it; all in standard base64
//! with padding. Other members are refused, so that a later format is not half understood.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest;
use crate::manifest::{InvalidManifest, Manifest};

/// The most signatures of a manifest.
pub const SIGNATURES_MAX: usize = 64;
/// The largest signed text, in bytes: cosign's has some 250, and what its user adds.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024;
/// The largest signature, in bytes. Those of the keys that are known have less than 80; others may stand beside them.
pub const SIGNATURE_BYTES_MAX: usize = 1024;
/// The largest proof as JSON, in bytes. Every proof within the other limits fits.
pub const PROOF_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The manifest of a plugin and its signatures. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The manifest, whose digest is what is signed.
    pub manifest: Manifest,
    /// The signatures. A registry may hold none, or any.
    pub signatures: Vec<Signature>,
    /// Signatures in the registry that cannot be read. A refusal names them.
    pub damaged: Vec<DamagedSignature>,
    /// True if the registry has a sigstore bundle of the manifest. Bundles are not read; a refusal says so.
    pub has_bundle: bool,
}

/// A signature in a registry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the signature `{payload}` is damaged ({reason})")]
pub struct DamagedSignature {
    /// The digest of the signed text, which names the layer in the registry.
    pub payload: Digest,
    /// The damage.
    pub reason: String,
}

/// A signed text that names a manifest. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signed text: simple signing, JSON.
    pub payload: Bytes,
    /// The signature of the text, as the algorithm of its key encodes it.
    pub signature: Vec<u8>,
}

/// A content that is no proof.
#[derive(Debug, Error)]
pub enum InvalidProof {
    /// The content is larger than [`PROOF_BYTES_MAX`].
    #[error("the proof is larger than {PROOF_BYTES_MAX} bytes")]
    TooLarge,
    /// The content is no JSON of the format.
    #[error("the proof is not valid: make it with `edge-cache-agent plugin sign`")]
    Json(#[source] serde_json::Error),
    /// The manifest is no base64.
    #[error("the manifest in the proof is not standard base64")]
    Base64,
    /// The manifest is invalid.
    #[error("the proof holds no manifest of a plugin")]
    Manifest(#[from] InvalidManifest),
    /// More signatures than [`SIGNATURES_MAX`].
    #[error("the proof has {count} signatures, and at most {SIGNATURES_MAX} are allowed")]
    Signatures {
        /// The number of signatures.
        count: usize,
    },
    /// A signature is no base64, or is too large.
    #[error(
        "signature {number} of the proof is wrong: payload and signature are standard base64 of at most \
         {PAYLOAD_BYTES_MAX} and {SIGNATURE_BYTES_MAX} bytes"
    )]
    Signature {
        /// The place of the signature, from 1.
        number: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofJson {
    manifest: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureJson {
    payload: String,
    signature: String,
}

impl Proof {
    /// Creates a proof of a manifest and its signatures.
    #[must_use]
    pub fn new(manifest: Manifest, signatures: Vec<Signature>) -> Self {
        Self {
            manifest,
            signatures,
            damaged: Vec::new(),
            has_bundle: false,
        }
    }

    /// Adds signatures of the same manifest that are not there yet, up to [`SIGNATURES_MAX`]. A registry that loses
    /// signatures must not make a plugin an unsigned one.
    #[must_use]
    pub(crate) fn with_signatures(mut self, others: Vec<Signature>) -> Self {
        for other in others {
            if self.signatures.len() < SIGNATURES_MAX && !self.signatures.contains(&other) {
                self.signatures.push(other);
            }
        }
        self
    }

    /// Reads a proof from JSON.
    ///
    /// # Errors
    ///
    /// Any [`InvalidProof`].
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidProof> {
        if json.len() > PROOF_BYTES_MAX {
            return Err(InvalidProof::TooLarge);
        }
        let proof: ProofJson = serde_json::from_slice(json).map_err(InvalidProof::Json)?;
        let count = proof.signatures.len();
        if count > SIGNATURES_MAX {
            return Err(InvalidProof::Signatures { count });
        }
        let manifest = STANDARD.decode(proof.manifest);
        let manifest = manifest.map_err(|_| InvalidProof::Base64)?;
        let signatures = (1..).zip(&proof.signatures).map(|(number, signature)| {
            let signature = Signature::from_json(signature);
            signature.ok_or(InvalidProof::Signature { number })
        });
        Ok(Self::new(
            Manifest::parse(manifest.into())?,
            signatures.collect::<Result<_, _>>()?,
        ))
    }

    /// Writes the proof as JSON, with a line break at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let proof = ProofJson {
            manifest: STANDARD.encode(&self.manifest.bytes),
            signatures: self.signatures.iter().map(Signature::to_json).collect(),
        };
        // Texts in plain structures can be written.
        let mut json = serde_json::to_string(&proof).unwrap_or_default();
        json.push('\n');
        json
    }
}

impl Signature {
    /// Returns whether payload and signature are within their limits.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.payload.len() <= PAYLOAD_BYTES_MAX && self.signature.len() <= SIGNATURE_BYTES_MAX
    }

    fn from_json(json: &SignatureJson) -> Option<Self> {
        let signature = Self {
            payload: STANDARD.decode(&json.payload).ok()?.into(),
            signature: STANDARD.decode(&json.signature).ok()?,
        };
        signature.fits().then_some(signature)
    }

    fn to_json(&self) -> SignatureJson {
        SignatureJson {
            payload: STANDARD.encode(&self.payload),
            signature: STANDARD.encode(&self.signature),
        }
    }
}

#[cfg(test)]
mod tests;
