//! Doors of artifacts: manifests, proofs, signatures, references and credentials.

use std::sync::LazyLock;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge_cache_distribution::{
    COMPONENT_TYPE, CONFIG_TYPE, Candidate, Credentials, Digest, MANIFEST_BYTES_MAX, MANIFEST_TYPE,
    Manifest, Proof, Reference, SIGNATURES_MAX, Signature, TrustPolicy,
};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::Entered::{self, Ignored, Passed};
use super::{expect_line, refused};

/// The longest error about an artifact, in bytes.
const ERROR_BYTES_MAX: usize = 1_100;
/// The longest refusal, in bytes: it names what is wrong with each signature.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// The DER header before the 32 bytes of a public key of Ed25519.
const ED25519: [u8; 12] = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];
const REPOSITORY: &str = "registry.example/edge";
const COMPONENT: &[u8] = b"component";
/// The password in the files of the corpus.
const PASSWORD: &str = "hunter2";

/// A manifest of OCI: within its size, and its digest is that of the bytes.
pub(super) fn manifest(input: &[u8]) -> Entered {
    match Manifest::parse(input.to_vec().into()) {
        Err(error) => refused(&error, ERROR_BYTES_MAX),
        Ok(manifest) => {
            assert!(input.len() <= MANIFEST_BYTES_MAX);
            assert_eq!(manifest.digest, Digest::of(input));
            assert_eq!(manifest.bytes, input);
            let version = manifest.version().unwrap_or_default();
            assert!(version.len() <= input.len());
            Passed
        }
    }
}

/// The file of a proof: what is read is written and read again as the same.
pub(super) fn proof(input: &[u8]) -> Entered {
    match Proof::from_json(input) {
        Err(error) => refused(&error, ERROR_BYTES_MAX),
        Ok(proof) => {
            assert!(proof.signatures.len() <= SIGNATURES_MAX);
            assert!(proof.signatures.iter().all(Signature::fits));
            let again = Proof::from_json(proof.to_json().as_bytes()).unwrap();
            assert_eq!(again, proof);
            Passed
        }
    }
}

/// The text of a signature by a trusted key: it lets in only what it names.
pub(super) fn signature(input: &[u8]) -> Entered {
    static KEY: LazyLock<Ed25519KeyPair> =
        LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());
    static POLICY: LazyLock<TrustPolicy> = LazyLock::new(|| {
        let key = STANDARD.encode([&ED25519, KEY.public_key().as_ref()].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
        let rule = format!("[[rules]]\nrepository = \"{REPOSITORY}\"\nany_of = [\"one\"]\n");
        TrustPolicy::parse(&format!("{rule}[keys]\none = \"\"\"\n{pem}\"\"\"\n")).unwrap()
    });
    static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
        let descriptor = |kind: &str, content: &[u8]| json!({"mediaType": kind, "digest": Digest::of(content), "size": content.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIG_TYPE, b"{}"),
            "layers": [descriptor(COMPONENT_TYPE, COMPONENT)],
        });
        Manifest::parse(manifest.to_string().into()).unwrap()
    });
    // In the corpus it stands for the digest.
    let digest = MANIFEST.digest.to_string();
    let payload = String::from_utf8_lossy(input).replace("DIGEST", &digest);
    let signature = Signature {
        signature: KEY.sign(payload.as_bytes()).as_ref().to_vec(),
        payload: payload.clone().into(),
    };
    let proof = Proof::new(MANIFEST.clone(), vec![signature]);
    let from = |repository| {
        let candidate = Candidate {
            repository,
            component: Digest::of(COMPONENT),
            proof: Some(&proof),
            now: SystemTime::UNIX_EPOCH,
        };
        match POLICY.check(&candidate) {
            Err(refusal) => refused(&refusal, REFUSAL_BYTES_MAX),
            Ok(admission) => {
                let claims: Value = serde_json::from_str(&payload).unwrap();
                let claims = &claims["critical"];
                assert_eq!(claims["image"]["docker-manifest-digest"], *digest);
                assert_eq!(admission.identity, REPOSITORY);
                let named = claims["identity"]["docker-reference"].as_str().unwrap();
                assert!(named.to_lowercase().starts_with(REPOSITORY), "{named}");
                Passed
            }
        }
    };
    from(Some(REPOSITORY)).max(from(None))
}

/// A reference: what is read is shown and read again as the same.
pub(super) fn reference(input: &[u8]) -> Entered {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ignored;
    };
    match text.parse::<Reference>() {
        Err(error) => refused(&error, ERROR_BYTES_MAX),
        Ok(reference) => {
            assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
            expect_line(&reference, ERROR_BYTES_MAX);
            Passed
        }
    }
}

/// The file with the accounts of registries: no error and no `Debug` shows a password.
pub(super) fn credentials(input: &[u8]) -> Entered {
    match Credentials::from_json(input) {
        Err(error) => refused(&error, ERROR_BYTES_MAX),
        Ok(credentials) => {
            // Numbers that are passed over may be too large for a `Value`.
            let Ok(file) = serde_json::from_slice::<Value>(input) else {
                return Ignored;
            };
            // The name of a host is no secret, whatever it is.
            let mut hosts = file["auths"].as_object().into_iter().flatten();
            let is_host = |name: &str| name.rsplit('@').next().unwrap().contains(PASSWORD);
            let shown = format!("{credentials:?}");
            assert!(!shown.contains(PASSWORD) || hosts.any(|(name, _)| is_host(name)));
            Passed
        }
    }
}
