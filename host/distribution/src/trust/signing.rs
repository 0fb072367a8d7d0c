//! Private keys, and what they sign.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use thiserror::Error;
use zeroize::Zeroizing;

use super::key::{self, Algorithm, InvalidKey, PUBLIC_LABEL, PublicKey};
use super::name::canonical;
use super::payload::Payload;
use super::pem;
use crate::digest::Digest;
use crate::proof::Signature;
use edge_cache_core::text;

/// The PEM label of private keys.
const PRIVATE_LABEL: &str = "PRIVATE KEY";
/// The DER before an Ed25519 seed in PKCS#8, version 1, which openssl and others read.
const ED25519_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const SEED_BYTES: usize = 32;

/// A private key. Its `Debug` shows the public one.
pub struct SigningKey {
    pair: Pair,
    /// The key as PKCS#8.
    der: Zeroizing<Vec<u8>>,
}

enum Pair {
    EcdsaP256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The system gives no random bytes, which new keys and ECDSA signatures need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomBytes;

impl SigningKey {
    /// Makes a key from random bytes of the system.
    ///
    /// # Errors
    ///
    /// The system has no random bytes to give.
    pub fn generate(algorithm: Algorithm) -> Result<Self, NoRandomBytes> {
        let random = SystemRandom::new();
        let der = match algorithm {
            Algorithm::EcdsaP256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
                    .map(|document| Zeroizing::new(document.as_ref().to_vec()))
            }
            Algorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; SEED_BYTES]);
                random
                    .fill(seed.as_mut_slice())
                    .map(|()| Zeroizing::new([&ED25519_PREFIX[..], &*seed].concat()))
            }
        };
        let der = der.map_err(|_| NoRandomBytes)?;
        Self::from_der(der).map_err(|_| NoRandomBytes)
    }

    /// Reads a key from PEM: PKCS#8 without a password.
    ///
    /// # Errors
    ///
    /// An [`InvalidKey`], which shows nothing of the key.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        match pem::label(pem) {
            Some(PRIVATE_LABEL) => {}
            Some(PUBLIC_LABEL) => return Err(InvalidKey::Public),
            Some(label) if label.starts_with("ENCRYPTED") => return Err(InvalidKey::Encrypted),
            Some(label) => {
                let label = text::clean(label, key::LABEL_BYTES_MAX);
                let wanted = PRIVATE_LABEL;
                return Err(match label.ends_with(PRIVATE_LABEL) {
                    true => InvalidKey::OldForm { label },
                    false => InvalidKey::Label { label, wanted },
                });
            }
            None => {
                return Err(InvalidKey::Pem {
                    wanted: PRIVATE_LABEL,
                });
            }
        }
        let der = pem::read::<PrivatePkcs8KeyDer<'_>>(PRIVATE_LABEL, pem);
        let mut der = der.map_err(|reason| key::broken(&reason))?;
        let copy = Zeroizing::new(der.secret_pkcs8_der().to_vec());
        zeroize::Zeroize::zeroize(&mut der);
        Self::from_der(copy)
    }

    fn from_der(der: Zeroizing<Vec<u8>>) -> Result<Self, InvalidKey> {
        let random = SystemRandom::new();
        let ecdsa = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &random);
        let pair = match Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            Ok(pair) => Ok(Pair::Ed25519(pair)),
            Err(_) => ecdsa.map(Pair::EcdsaP256),
        };
        match pair {
            Ok(pair) => Ok(Self { pair, der }),
            Err(reason) => {
                key::check_algorithm(&der)?;
                Err(key::broken(&reason))
            }
        }
    }

    /// Returns the key in PEM, as it is read.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::write(PRIVATE_LABEL, &self.der)
    }

    /// Returns the public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match &self.pair {
            Pair::EcdsaP256(pair) => {
                PublicKey::new(Algorithm::EcdsaP256, pair.public_key().as_ref())
            }
            Pair::Ed25519(pair) => PublicKey::new(Algorithm::Ed25519, pair.public_key().as_ref()),
        }
    }

    /// Returns the public key in PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.public().to_pem()
    }

    /// Signs the digest of a manifest and the name of its repository, the identity.
    ///
    /// # Errors
    ///
    /// The system has no random bytes to give.
    pub fn sign(&self, manifest: Digest, identity: &str) -> Result<Signature, NoRandomBytes> {
        let payload = Payload::write(manifest, identity);
        let signature = self.sign_bytes(&payload)?;
        Ok(Signature {
            payload: payload.into(),
            signature,
        })
    }

    /// Returns whether one of these signatures is of this key, this manifest and this identity.
    #[must_use]
    pub fn has_signed(&self, manifest: Digest, identity: &str, signatures: &[Signature]) -> bool {
        let payload = Payload {
            identity: canonical(identity),
            manifest,
        };
        let public = self.public();
        signatures.iter().any(|signature| {
            Payload::parse(&signature.payload).as_ref() == Ok(&payload)
                && public.verifies(signature)
        })
    }

    pub(crate) fn sign_bytes(&self, payload: &[u8]) -> Result<Vec<u8>, NoRandomBytes> {
        let signature = match &self.pair {
            Pair::EcdsaP256(pair) => pair.sign(&SystemRandom::new(), payload),
            Pair::Ed25519(pair) => Ok(pair.sign(payload)),
        };
        let signature = signature.map_err(|_| NoRandomBytes)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

#[cfg(test)]
mod tests;
