//! Public keys, and what they verify.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::alg_id::{self, AlgorithmIdentifier};
use strum::{Display, EnumString};
use thiserror::Error;

use super::pem;
use crate::proof::Signature;
use edge_cache_core::text;

/// The PEM label of public keys.
pub(crate) const PUBLIC_LABEL: &str = "PUBLIC KEY";
/// The longest label in an error, in bytes.
pub(crate) const LABEL_BYTES_MAX: usize = 64;
/// An uncompressed point of P-256 begins with this byte.
const UNCOMPRESSED: u8 = 4;
/// Algorithms that are refused by name.
const REFUSED: [(AlgorithmIdentifier, &str); 8] = [
    (alg_id::ECDSA_P384, "an ECDSA P-384"),
    (alg_id::ECDSA_P521, "an ECDSA P-521"),
    (alg_id::ECDSA_P256K1, "an ECDSA secp256k1"),
    (alg_id::RSA_ENCRYPTION, "an RSA"),
    (alg_id::ED448, "an Ed448"),
    (alg_id::ML_DSA_44, "an ML-DSA"),
    (alg_id::ML_DSA_65, "an ML-DSA"),
    (alg_id::ML_DSA_87, "an ML-DSA"),
];

/// The algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString)]
#[strum(parse_err_ty = InvalidAlgorithm, parse_err_fn = invalid_algorithm)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256, as cosign signs.
    #[strum(serialize = "ecdsa-p256")]
    EcdsaP256,
    /// Ed25519.
    #[strum(serialize = "ed25519")]
    Ed25519,
}

/// A text that names no [`Algorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an algorithm is `ecdsa-p256` or `ed25519`")]
pub struct InvalidAlgorithm;

/// A key that verifies signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// A text that is no key of the kind that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidKey {
    /// No PEM, or several.
    #[error(
        "it must be one key in PEM, from `-----BEGIN {wanted}-----` to `-----END {wanted}-----`"
    )]
    Pem {
        /// The PEM label that is wanted.
        wanted: &'static str,
    },
    /// A private key where a public one is wanted.
    #[error(
        "it is a private key, and the public one is wanted: `edge-cache-agent plugin keygen FILE` wrote it to FILE.pub, \
         and `openssl pkey -in FILE -pubout` prints it"
    )]
    Private,
    /// A public key where a private one is wanted.
    #[error("it is a public key, and the private one is wanted: it stands in FILE beside FILE.pub")]
    Public,
    /// A certificate.
    #[error(
        "it is a certificate, and a public key is wanted: `openssl x509 -in FILE -noout -pubkey` prints the one in it"
    )]
    Certificate,
    /// An encrypted private key.
    #[error(
        "it is encrypted, and no password is asked for: `openssl pkcs8 -in FILE` decrypts it; keys of cosign sign with \
         cosign, or make a key with `edge-cache-agent plugin keygen`"
    )]
    Encrypted,
    /// A private key in an older form.
    #[error(
        "it is `{label}`, and PKCS#8 is wanted: `openssl pkcs8 -topk8 -nocrypt -in FILE` converts it"
    )]
    OldForm {
        /// The PEM label.
        label: String,
    },
    /// Another content.
    #[error("it is `{label}`, and `{wanted}` is wanted")]
    Label {
        /// The PEM label.
        label: String,
        /// The PEM label that is wanted.
        wanted: &'static str,
    },
    /// A key of an algorithm that is not known.
    #[error(
        "it is {algorithm} key, and must be ECDSA P-256 or Ed25519: `edge-cache-agent plugin keygen` makes one"
    )]
    Algorithm {
        /// The algorithm, with its article.
        algorithm: &'static str,
    },
    /// A compressed point.
    #[error(
        "its point is compressed: `openssl ec -pubin -in FILE -conv_form uncompressed` converts it"
    )]
    Compressed,
    /// The content is broken.
    #[error("it is not valid: {reason}")]
    Broken {
        /// The cause.
        reason: String,
    },
}

impl Algorithm {
    /// Returns the DER before the key in a `SubjectPublicKeyInfo`.
    pub(crate) fn public_prefix(self) -> Vec<u8> {
        let id = match self {
            Self::EcdsaP256 => alg_id::ECDSA_P256,
            Self::Ed25519 => alg_id::ED25519,
        };
        let key_bytes = self.public_bytes();
        // All is shorter than 128 bytes, so that a length is one byte.
        let id_bytes = u8::try_from(id.len()).unwrap_or(u8::MAX);
        let all = id_bytes.saturating_add(key_bytes).saturating_add(5);
        let mut prefix = vec![0x30, all, 0x30, id_bytes];
        prefix.extend_from_slice(&id);
        // The key is a string of whole bytes: no bit of its last byte is unused.
        prefix.extend_from_slice(&[0x03, key_bytes.saturating_add(1), 0]);
        prefix
    }

    fn public_bytes(self) -> u8 {
        match self {
            // A point, with the byte that says that it is not compressed.
            Self::EcdsaP256 => 65,
            Self::Ed25519 => 32,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Self::Ed25519 => &ED25519,
        }
    }
}

impl PublicKey {
    pub(crate) fn new(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        Self { algorithm, bytes }
    }

    /// Reads a key from PEM: `SubjectPublicKeyInfo`, as openssl and cosign write it.
    ///
    /// # Errors
    ///
    /// Any [`InvalidKey`] but [`InvalidKey::Public`].
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        // In a trust file, lines may be indented.
        let lines: Vec<_> = pem.lines().map(str::trim).collect();
        let pem = lines.join("\n");
        let label = pem::label(&pem).ok_or(InvalidKey::Pem {
            wanted: PUBLIC_LABEL,
        })?;
        match label {
            PUBLIC_LABEL => {}
            "CERTIFICATE" => return Err(InvalidKey::Certificate),
            label if label.ends_with("PRIVATE KEY") => return Err(InvalidKey::Private),
            label => {
                return Err(InvalidKey::Label {
                    label: text::clean(label, LABEL_BYTES_MAX),
                    wanted: PUBLIC_LABEL,
                });
            }
        }
        let der = pem::read::<SubjectPublicKeyInfoDer<'_>>(PUBLIC_LABEL, &pem);
        Self::from_der(&der.map_err(|reason| broken(&reason))?)
    }

    fn from_der(der: &[u8]) -> Result<Self, InvalidKey> {
        for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
            let Some(bytes) = der.strip_prefix(&*algorithm.public_prefix()) else {
                continue;
            };
            let is_point =
                algorithm != Algorithm::EcdsaP256 || bytes.first() == Some(&UNCOMPRESSED);
            if bytes.len() == usize::from(algorithm.public_bytes()) && is_point {
                return Ok(Self::new(algorithm, bytes));
            }
        }
        check_algorithm(der)?;
        // A point of P-256 in half of the bytes begins with 2 or 3.
        if contains(der, &[&*alg_id::ECDSA_P256, &[0x03, 34, 0]].concat()) {
            return Err(InvalidKey::Compressed);
        }
        Err(broken(&"the DER in the PEM is no public key"))
    }

    /// Returns the key in PEM, as it is read.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut der = self.algorithm.public_prefix();
        der.extend_from_slice(&self.bytes);
        pem::write(PUBLIC_LABEL, &der).to_string()
    }

    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns whether a signature of a payload was made with the private key.
    #[must_use]
    pub fn verifies(&self, signature: &Signature) -> bool {
        let key = UnparsedPublicKey::new(self.algorithm.verification(), &self.bytes);
        key.verify(&signature.payload, &signature.signature).is_ok()
    }
}

/// Refuses a key in DER whose algorithm is known by name and not supported.
pub(crate) fn check_algorithm(der: &[u8]) -> Result<(), InvalidKey> {
    let named = REFUSED.iter().find(|(id, _)| contains(der, id));
    match named {
        Some((_, algorithm)) => Err(InvalidKey::Algorithm { algorithm }),
        None => Ok(()),
    }
}

pub(crate) fn broken(reason: &impl ToString) -> InvalidKey {
    let reason = text::clean(&reason.to_string(), text::ERROR_BYTES_MAX);
    InvalidKey::Broken { reason }
}

fn invalid_algorithm(_: &str) -> InvalidAlgorithm {
    InvalidAlgorithm
}

fn contains(der: &[u8], id: &[u8]) -> bool {
    der.windows(id.len()).any(|window| window == id)
}

#[cfg(test)]
mod tests;
