use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Algorithm, PublicKey};
use crate::proof::Signature;

// Keys and signatures that openssl made.
const ECDSA: &str = include_str!("../vectors/ecdsa-p256.pub");
const ED25519: &str = include_str!("../vectors/ed25519.pub");

fn vector(payload: &'static str, signature: &str) -> Signature {
    Signature {
        payload: payload.into(),
        signature: STANDARD.decode(signature).unwrap(),
    }
}

/// The payloads, each with its signatures by ECDSA and by Ed25519.
fn vectors() -> [[Signature; 2]; 2] {
    let plain = include_str!("../vectors/payload.json");
    let optional = include_str!("../vectors/payload-optional.json");
    [
        [
            vector(plain, include_str!("../vectors/ecdsa-p256.payload.sig")),
            vector(plain, include_str!("../vectors/ed25519.payload.sig")),
        ],
        [
            vector(
                optional,
                include_str!("../vectors/ecdsa-p256.payload-optional.sig"),
            ),
            vector(
                optional,
                include_str!("../vectors/ed25519.payload-optional.sig"),
            ),
        ],
    ]
}

#[test]
fn signatures_of_others_verify_by_their_key_alone() {
    let keys = [ECDSA, ED25519].map(|pem| PublicKey::from_pem(pem).unwrap());
    assert_eq!(keys[0].algorithm(), Algorithm::EcdsaP256);
    assert_eq!(keys[1].algorithm(), Algorithm::Ed25519);
    for signatures in vectors() {
        for (k, key) in keys.iter().enumerate() {
            for (s, signature) in signatures.iter().enumerate() {
                assert_eq!(key.verifies(signature), k == s, "{k} {s}");
                let mut other = signature.clone();
                other.payload = [&*signature.payload, b" "].concat().into();
                assert!(!key.verifies(&other));
                for i in 0..signature.signature.len() {
                    let mut other = signature.clone();
                    other.signature[i] ^= 1;
                    assert!(!key.verifies(&other), "byte {i}");
                    other.signature.truncate(i);
                    assert!(!key.verifies(&other), "{i} bytes");
                }
            }
        }
    }
}

#[test]
fn a_key_is_read_as_it_is_written() {
    for pem in [ECDSA, ED25519] {
        let key = PublicKey::from_pem(pem).unwrap();
        assert_eq!(key.to_pem(), pem);
        let indented = pem.replace('\n', "\r\n    ");
        assert_eq!(PublicKey::from_pem(&format!("\n    {indented}\n")), Ok(key));
    }
}

#[test]
fn another_kind_of_key_is_refused_by_name() {
    let private = "it is a private key, and the public one is wanted: `edge-cache-agent plugin keygen FILE` wrote it to \
                   FILE.pub, and `openssl pkey -in FILE -pubout` prints it";
    let one = "it must be one key in PEM, from `-----BEGIN PUBLIC KEY-----` to `-----END PUBLIC KEY-----`";
    let algorithm = |name: &str| {
        format!(
            "it is {name} key, and must be ECDSA P-256 or Ed25519: `edge-cache-agent plugin keygen` makes one"
        )
    };
    let relabelled = |label: &str| ED25519.replace("PUBLIC KEY", label);
    for (pem, text) in [
        (include_str!("../vectors/refused-ecp384.pub").to_string(), algorithm("an ECDSA P-384")),
        (include_str!("../vectors/refused-ecp521.pub").to_string(), algorithm("an ECDSA P-521")),
        (include_str!("../vectors/refused-ecsecp256k1.pub").to_string(), algorithm("an ECDSA secp256k1")),
        (include_str!("../vectors/refused-rsa2048.pub").to_string(), algorithm("an RSA")),
        (include_str!("../vectors/refused-ed448.pub").to_string(), algorithm("an Ed448")),
        (
            include_str!("../vectors/refused-compressed.pub").to_string(),
            "its point is compressed: `openssl ec -pubin -in FILE -conv_form uncompressed` converts it".to_string(),
        ),
        (
            include_str!("../vectors/refused-certificate.pem").to_string(),
            "it is a certificate, and a public key is wanted: `openssl x509 -in FILE -noout -pubkey` prints the one in it"
                .to_string(),
        ),
        (relabelled("PRIVATE KEY"), private.to_string()),
        (relabelled("EC PRIVATE KEY"), private.to_string()),
        (relabelled("ENCRYPTED SIGSTORE PRIVATE KEY"), private.to_string()),
        (
            relabelled("RSA PUBLIC KEY"),
            "it is `RSA PUBLIC KEY`, and `PUBLIC KEY` is wanted".to_string(),
        ),
        (String::new(), one.to_string()),
        ("MCowBQYDK2VwAyEA".to_string(), one.to_string()),
        (format!("{ED25519}{ECDSA}"), one.to_string()),
        (
            ED25519.replace("MCow", "MCo*"),
            "it is not valid: the text between `-----BEGIN PUBLIC KEY-----` and `-----END PUBLIC KEY-----` is no base64"
                .to_string(),
        ),
        (
            ED25519.replace("-----END", ""),
            "it is not valid: `-----BEGIN PUBLIC KEY-----` and `-----END PUBLIC KEY-----` must be lines of their own"
                .to_string(),
        ),
        (
            ED25519.replace("MCow", "MCoa"),
            "it is not valid: the DER in the PEM is no public key".to_string(),
        ),
        // A point of as many bytes, that begins with 5.
        (
            ECDSA.replace("DQgAE2", "DQgAF2"),
            "it is not valid: the DER in the PEM is no public key".to_string(),
        ),
        (
            ED25519.replace("toc=", "tocA"),
            "it is not valid: the DER in the PEM is no public key".to_string(),
        ),
    ] {
        let error = PublicKey::from_pem(&pem).unwrap_err();
        assert_eq!(error.to_string(), text, "{pem}");
    }
}
