use super::SigningKey;
use crate::digest::Digest;
use crate::trust::key::{Algorithm, PublicKey};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

#[test]
fn a_key_signs_what_its_public_key_verifies() {
    for algorithm in ALGORITHMS {
        let key = SigningKey::generate(algorithm).unwrap();
        let signature = key.sign(Digest::of(b"x"), "a/b").unwrap();
        let public = PublicKey::from_pem(&key.public_pem()).unwrap();
        assert_eq!(public, key.public());
        assert_eq!(public.algorithm(), algorithm);
        assert!(public.verifies(&signature));
        let signatures = [signature.clone()];
        assert!(key.has_signed(Digest::of(b"x"), "A/b:1", &signatures));
        assert!(!key.has_signed(Digest::of(b"x"), "a/c", &signatures));
        assert!(!key.has_signed(Digest::of(b"y"), "a/b", &signatures));
        let other = SigningKey::generate(algorithm).unwrap();
        assert!(!other.has_signed(Digest::of(b"x"), "a/b", &signatures));
        assert!(!other.public().verifies(&signature));
    }
}

#[test]
fn a_key_is_read_as_it_is_written() {
    for algorithm in ALGORITHMS {
        let key = SigningKey::generate(algorithm).unwrap();
        let pem = key.to_pem();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let read = SigningKey::from_pem(&pem).unwrap();
        assert_eq!(read.public(), key.public());
        assert_eq!(*read.to_pem(), *pem);
    }
}

#[test]
fn no_text_shows_a_private_key() {
    for algorithm in ALGORITHMS {
        let key = SigningKey::generate(algorithm).unwrap();
        let pem = key.to_pem();
        let secret = pem.lines().nth(1).unwrap();
        assert!(!format!("{key:?}").contains(secret));
        let broken = SigningKey::from_pem(&pem.replace(secret, &secret[4..])).unwrap_err();
        assert!(!format!("{broken} {broken:?}").contains(&secret[4..12]));
    }
}

#[test]
fn another_kind_of_key_is_refused_by_name() {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let relabelled = |label: &str| key.to_pem().replace("PRIVATE KEY", label);
    let encrypted = "it is encrypted, and no password is asked for: `openssl pkcs8 -in FILE` decrypts it; keys of cosign \
                     sign with cosign, or make a key with `edge-cache-agent plugin keygen`";
    for (pem, text) in [
        (
            key.public_pem(),
            "it is a public key, and the private one is wanted: it stands in FILE beside FILE.pub",
        ),
        (relabelled("ENCRYPTED PRIVATE KEY"), encrypted),
        (relabelled("ENCRYPTED SIGSTORE PRIVATE KEY"), encrypted),
        (
            relabelled("EC PRIVATE KEY"),
            "it is `EC PRIVATE KEY`, and PKCS#8 is wanted: `openssl pkcs8 -topk8 -nocrypt -in FILE` converts it",
        ),
        (
            relabelled("OPENSSH PRIVATE KEY"),
            "it is `OPENSSH PRIVATE KEY`, and PKCS#8 is wanted: `openssl pkcs8 -topk8 -nocrypt -in FILE` converts it",
        ),
        (
            relabelled("CERTIFICATE"),
            "it is `CERTIFICATE`, and `PRIVATE KEY` is wanted",
        ),
        (
            String::new(),
            "it must be one key in PEM, from `-----BEGIN PRIVATE KEY-----` to `-----END PRIVATE KEY-----`",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_string(),
            "it is not valid: InvalidEncoding",
        ),
        // No part of a secret is shown, however the lines are broken.
        (
            key.to_pem().replace('\n', ""),
            "it is not valid: `-----BEGIN PRIVATE KEY-----` and `-----END PRIVATE KEY-----` must be lines of their own",
        ),
        (
            key.to_pem().replacen('\n', "", 1),
            "it is not valid: `-----BEGIN PRIVATE KEY-----` and `-----END PRIVATE KEY-----` must be lines of their own",
        ),
        (
            key.to_pem().replace("\nM", "\n*"),
            "it is not valid: the text between `-----BEGIN PRIVATE KEY-----` and `-----END PRIVATE KEY-----` is no base64",
        ),
    ] {
        assert_eq!(
            SigningKey::from_pem(&pem).unwrap_err().to_string(),
            text,
            "{text}"
        );
    }
}
