use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{
    PAYLOAD_BYTES_MAX, PROOF_BYTES_MAX, Proof, SIGNATURE_BYTES_MAX, SIGNATURES_MAX, Signature,
};
use crate::digest::Digest;
use crate::manifest::{MANIFEST_BYTES_MAX, Manifest};
use edge_cache_core::text::error_chain;

fn manifest_of(bytes_max: usize) -> Manifest {
    let descriptor = format!(r#""digest":"{}","size":1}}"#, Digest::of(b"x"));
    let mut manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"a",{descriptor},"layers":[{{"mediaType":"application/wasm",{descriptor}]}}"#
    );
    manifest.push_str(&" ".repeat(bytes_max.saturating_sub(manifest.len())));
    Manifest::parse(manifest.into()).unwrap()
}

fn proof(count: usize, payload: usize, signature: usize) -> Proof {
    let signature = Signature {
        payload: vec![b'p'; payload].into(),
        signature: vec![b's'; signature],
    };
    Proof::new(manifest_of(0), vec![signature; count])
}

#[test]
fn a_proof_is_read_as_it_is_written() {
    for count in [0, 1, 3] {
        let proof = proof(count, 200, 70);
        assert_eq!(Proof::from_json(proof.to_json().as_bytes()).unwrap(), proof);
    }
}

#[test]
fn the_format_is_json_with_base64() {
    let json: serde_json::Value = serde_json::from_str(&proof(1, 2, 2).to_json()).unwrap();
    let manifest = STANDARD.encode(&manifest_of(0).bytes);
    let signature = json!({"payload": "cHA=", "signature": "c3M="});
    assert_eq!(
        json,
        json!({"manifest": manifest, "signatures": [signature]})
    );
}

#[test]
fn every_proof_within_the_limits_fits() {
    let mut largest = proof(SIGNATURES_MAX, PAYLOAD_BYTES_MAX, SIGNATURE_BYTES_MAX);
    largest.manifest = manifest_of(MANIFEST_BYTES_MAX);
    let json = largest.to_json();
    assert!(json.len() <= PROOF_BYTES_MAX, "{}", json.len());
    assert_eq!(Proof::from_json(json.as_bytes()).unwrap(), largest);
}

#[test]
fn anything_else_is_refused() {
    let good = proof(1, 2, 2).to_json();
    let manifest = STANDARD.encode(&manifest_of(0).bytes);
    let invalid = "the proof is not valid: make it with `edge-cache-agent plugin sign`: ";
    let wrong = "signature 1 of the proof is wrong: payload and signature are standard base64 of at most 16384 and 1024 \
                 bytes";
    for (json, text) in [
        (" ".repeat(PROOF_BYTES_MAX + 1), "the proof is larger than 8388608 bytes".to_string()),
        (
            good[..50].to_string(),
            format!("{invalid}EOF while parsing a string at line 1 column 50"),
        ),
        (
            format!("{good}{{}}"),
            format!("{invalid}trailing characters at line 2 column 1"),
        ),
        (
            good.replace("\"signatures\"", "\"bundle\""),
            format!("{invalid}unknown field `bundle`, expected `manifest` or `signatures` at line 1 column {}", manifest.len() + 23),
        ),
        (
            good.replace("\"signatures\"", "\"manifest\""),
            format!("{invalid}duplicate field `manifest` at line 1 column {}", manifest.len() + 25),
        ),
        (
            good.replace("\"payload\"", "\"bundle\""),
            format!(
                "{invalid}unknown field `bundle`, expected `payload` or `signature` at line 1 column {}",
                manifest.len() + 38
            ),
        ),
        (
            good.replace(&manifest, "*"),
            "the manifest in the proof is not standard base64".to_string(),
        ),
        (
            good.replace(&manifest, "e30="),
            "the proof holds no manifest of a plugin: the manifest is not valid: missing field `schemaVersion` at line 1 \
             column 2"
                .to_string(),
        ),
        (good.replace("cHA=", "cHA"), wrong.to_string()),
        (good.replace("c3M=", "c3M\\n"), wrong.to_string()),
        (proof(1, PAYLOAD_BYTES_MAX + 1, 1).to_json(), wrong.to_string()),
        (proof(1, 1, SIGNATURE_BYTES_MAX + 1).to_json(), wrong.to_string()),
        (
            proof(1_000, 1, 1).to_json(),
            "the proof has 1000 signatures, and at most 64 are allowed".to_string(),
        ),
    ] {
        let error = Proof::from_json(json.as_bytes()).unwrap_err();
        assert_eq!(error_chain(&error), text);
    }
}

#[test]
fn signatures_are_added_once_and_up_to_their_limit() {
    let one = |n: u8| Signature {
        payload: vec![n].into(),
        signature: vec![n],
    };
    let signed = |numbers: std::ops::Range<u8>| Proof {
        signatures: numbers.map(one).collect(),
        ..proof(0, 0, 0)
    };
    let both = signed(0..2).with_signatures(signed(1..3).signatures);
    assert_eq!(both, signed(0..3));
    // What a registry has lost stays.
    assert_eq!(
        signed(0..0).with_signatures(signed(0..2).signatures),
        signed(0..2)
    );
    let many = signed(0..60).with_signatures(signed(60..80).signatures);
    assert_eq!(many.signatures.len(), SIGNATURES_MAX);
}
