//! Trust rules: helpers of the tests of each idea.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use super::key::Algorithm;
use super::payload::Payload;
use super::signing::SigningKey;
use super::{Admission, Candidate, Refusal, TrustPolicy};
use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::proof::{Proof, SIGNATURES_MAX, Signature};

mod identities;
mod rules;
mod signatures;

const COMPONENT: &[u8] = b"component";
const EDGE: &str = "registry.example/edge/cache";
/// 2027-05-31, the day before the rules with an end end.
const NOW: u64 = 1_811_721_600;
const DAY: u64 = 86_400;

/// The keys of the trust files, and one that is in none.
struct Keys {
    release: SigningKey,
    backup: SigningKey,
    stranger: SigningKey,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    release: SigningKey::generate(Algorithm::EcdsaP256).unwrap(),
    backup: SigningKey::generate(Algorithm::Ed25519).unwrap(),
    stranger: SigningKey::generate(Algorithm::EcdsaP256).unwrap(),
});

/// A trust file with the two keys before these rules.
fn policy(rules: &str) -> TrustPolicy {
    let mut text = rules.split("[[rules]]").next().unwrap().to_string();
    text.push_str("[keys]\n");
    for (name, key) in [("release", &KEYS.release), ("backup", &KEYS.backup)] {
        if rules.contains(&format!("\"{name}\"")) {
            text.push_str(&format!("{name} = \"\"\"\n{}\"\"\"\n", key.public_pem()));
        }
    }
    text.push_str(rules.find("[[rules]]").map_or("", |start| &rules[start..]));
    TrustPolicy::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn manifest_with(component: &[u8], annotations: &str) -> Manifest {
    let descriptor = |kind: &str, content: &[u8]| {
        format!(
            r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#,
            Digest::of(content),
            content.len()
        )
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}],"annotations":{{{annotations}}}}}"#,
        descriptor("application/vnd.wasm.config.v0+json", b"{}"),
        descriptor("application/wasm", component)
    );
    Manifest::parse(manifest.into()).unwrap()
}

fn version(version: &str) -> Manifest {
    let annotation = format!(r#""org.opencontainers.image.version":"{version}""#);
    manifest_with(COMPONENT, &annotation)
}

fn manifest() -> Manifest {
    version("1.2.0")
}

fn proof_of(manifest: Manifest, signatures: Vec<Signature>) -> Proof {
    Proof::new(manifest, signatures)
}

/// A proof of the usual manifest.
fn proof(signatures: &[(&SigningKey, &str)]) -> Proof {
    signed(manifest(), signatures)
}

fn signed(manifest: Manifest, signatures: &[(&SigningKey, &str)]) -> Proof {
    let digest = manifest.digest;
    let signatures = signatures
        .iter()
        .map(|(key, identity)| key.sign(digest, identity).unwrap());
    proof_of(manifest, signatures.collect())
}

/// A signature by the right key of any text.
fn signature_of(payload: &str) -> Signature {
    let mut signature = KEYS.release.sign(manifest().digest, EDGE).unwrap();
    signature.signature = KEYS.release.sign_bytes(payload.as_bytes()).unwrap();
    signature.payload = payload.to_string().into();
    signature
}

fn check_at(
    rules: &str,
    repository: Option<&str>,
    proof: Option<&Proof>,
    now: u64,
) -> Result<Admission, Refusal> {
    policy(rules).check(&Candidate {
        repository,
        component: Digest::of(COMPONENT),
        proof,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(now),
    })
}

fn check(rules: &str, repository: Option<&str>, proof: &Proof) -> Result<Admission, Refusal> {
    check_at(rules, repository, Some(proof), NOW)
}

/// Returns the rule's number and the keys that let it in.
#[track_caller]
fn admitted(result: Result<Admission, Refusal>) -> (String, String) {
    match result {
        Ok(admission) => (
            admission.rule.split(' ').nth(1).unwrap().to_string(),
            admission.keys.join(" "),
        ),
        Err(refusal) => panic!("refused: {refusal}"),
    }
}

/// Compares the text of a refusal, in which `MANIFEST` stands for the digest of the usual one.
#[track_caller]
fn refused(result: Result<Admission, Refusal>, text: &str) {
    match result {
        Ok(admission) => panic!("let in: {admission:?}"),
        Err(refusal) => assert_eq!(
            refusal.to_string(),
            text.replace("MANIFEST", &manifest().digest.to_string())
                .replace("COMPONENT", &Digest::of(COMPONENT).to_string())
        ),
    }
}

const ONE: &str = r#"
[[rules]]
repository = "registry.example/edge/*"
any_of = ["release", "backup"]
"#;
