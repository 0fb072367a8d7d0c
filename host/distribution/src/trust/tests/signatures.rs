//! Signatures that let a plugin in, and all kinds of those that do not.

use super::*;
use crate::proof::DamagedSignature;

#[test]
fn a_signature_by_a_key_of_the_rule_lets_in() {
    let by_release = proof(&[(&KEYS.release, EDGE)]);
    let admission = check(ONE, Some(EDGE), &by_release).unwrap();
    let expected = Admission {
        rule: "rule 1 (`registry.example/edge/*`)".into(),
        keys: vec!["release".into()],
        identity: EDGE.into(),
        not_after: None,
    };
    assert_eq!(admission, expected);
    // Of a file, the identity stands for the repository.
    assert_eq!(check(ONE, None, &by_release).unwrap(), expected);
    let by_backup = proof(&[(&KEYS.backup, EDGE)]);
    assert_eq!(admitted(check(ONE, Some(EDGE), &by_backup)).1, "backup");
    let by_both = proof(&[
        (&KEYS.stranger, EDGE),
        (&KEYS.backup, EDGE),
        (&KEYS.release, EDGE),
    ]);
    assert_eq!(
        admitted(check(ONE, Some(EDGE), &by_both)).1,
        "release backup"
    );
}

#[test]
fn a_plugin_without_the_right_signature_is_refused() {
    let wants = "rule 1 (`registry.example/edge/*`) wants the manifest MANIFEST signed by `release` or `backup` with the \
                 identity `registry.example/edge/cache`";
    let other = Digest::of(b"other");
    let of_other = KEYS.release.sign(other, EDGE).unwrap();
    let mut damaged = KEYS.release.sign(manifest().digest, EDGE).unwrap();
    *damaged.signature.last_mut().unwrap() ^= 1;
    let mut moved = KEYS
        .release
        .sign(manifest().digest, "registry.example/other")
        .unwrap();
    moved.payload = Payload::write(manifest().digest, EDGE).into();
    let mut cut = KEYS.release.sign(manifest().digest, EDGE).unwrap();
    cut.payload.truncate(100);
    let by_none = "; signature 1 is by none of these keys, or damaged".to_string();
    for (name, signatures, found) in [
        ("unsigned", vec![], "; it has no signature".to_string()),
        ("other key", proof(&[(&KEYS.stranger, EDGE)]).signatures, by_none.clone()),
        ("other digest", vec![of_other.clone()], format!("; signature 1 is of another manifest, {other}")),
        (
            "other identity",
            proof(&[(&KEYS.release, "registry.example/edge/other")]).signatures,
            "; signature 1 has the identity `registry.example/edge/other`".to_string(),
        ),
        (
            "identity that only begins so",
            proof(&[(&KEYS.release, "registry.example/edge/cache2")]).signatures,
            "; signature 1 has the identity `registry.example/edge/cache2`".to_string(),
        ),
        ("damaged signature", vec![damaged], by_none.clone()),
        ("signature of another payload", vec![moved], by_none),
        (
            "cut payload",
            vec![cut],
            "; signature 1 has a payload that is not valid (EOF while parsing a string at line 1 column 100)".to_string(),
        ),
        (
            "several",
            vec![of_other, proof(&[(&KEYS.stranger, EDGE)]).signatures.remove(0)],
            format!("; signature 1 is of another manifest, {other}; signature 2 is by none of these keys, or damaged"),
        ),
    ] {
        println!("{name}");
        let proof = proof_of(manifest(), signatures);
        refused(check(ONE, Some(EDGE), &proof), &format!("{wants}{found}"));
    }
}

#[test]
fn a_signature_that_is_doubled_counts_once() {
    let rules = ONE.replace("any_of", "all_of");
    let mut doubled = proof(&[(&KEYS.release, EDGE), (&KEYS.release, EDGE)]);
    doubled.signatures.push(doubled.signatures[0].clone());
    refused(
        check(&rules, Some(EDGE), &doubled),
        "rule 1 (`registry.example/edge/*`) wants the manifest MANIFEST signed by `release` and `backup` with the \
         identity `registry.example/edge/cache`; signature 1 is by `release`; signature 2 is by `release`; signature 3 \
         is by `release`",
    );
    assert_eq!(admitted(check(ONE, Some(EDGE), &doubled)).1, "release");
}

#[test]
fn a_payload_that_is_no_claim_is_passed_over_and_named() {
    let digest = manifest().digest;
    let good = String::from_utf8(Payload::write(digest, EDGE)).unwrap();
    let identity = format!(r#""identity":{{"docker-reference":"{EDGE}"}}"#);
    let signer = r#""type":"cosign container image signature""#;
    let column = |after: &str| good.find(after).unwrap() + after.len();
    for (payload, reason) in [
        (String::new(), "EOF while parsing a value at line 1 column 0".to_string()),
        ("[]".into(), "invalid length 0, expected struct SimpleSigning with 2 elements at line 1 column 2".into()),
        (
            good.replace(&identity, &format!("{identity},{identity}")),
            format!("duplicate field `identity` at line 1 column {}", column(&identity) + r#","identity""#.len()),
        ),
        (
            good.replace(signer, &format!("{signer},{signer}")),
            format!("duplicate field `type` at line 1 column {}", column(signer) + r#","type""#.len()),
        ),
        (
            good.replace(signer, r#""type":"atomic container signature""#),
            "its type is `atomic container signature`, and must be `cosign container image signature`".into(),
        ),
        (
            good.replace(signer, r#""type":1"#),
            format!("invalid type: integer `1`, expected a string at line 1 column {}", good.find(signer).unwrap() + 8),
        ),
        (
            good.replace(signer, &format!("{signer},\"more\":1")),
            format!(
                "unknown field `more`, expected one of `identity`, `image`, `type` at line 1 column {}",
                column(signer) + 7
            ),
        ),
        (
            good.replace("null}", "null,\"more\":1}"),
            format!("unknown field `more`, expected `critical` or `optional` at line 1 column {}", column("null") + 7),
        ),
        (
            good.replace(&identity, &identity.replace('}', ",\"tag\":1}")),
            format!(
                "unknown field `tag`, expected `docker-reference` at line 1 column {}",
                column(&identity) + 5
            ),
        ),
        (
            good.replace(&format!("{digest}\""), &format!("{digest}\",\"x\":1")),
            format!(
                "unknown field `x`, expected `docker-manifest-digest` at line 1 column {}",
                column(&digest.to_string()) + 5
            ),
        ),
        (
            good.replace(&digest.to_string(), "sha256:1"),
            format!(
                "a digest is `sha256:` and 64 hexadecimal digits in lower case at line 1 column {}",
                good.find(&digest.to_string()).unwrap() + 10
            ),
        ),
        (
            good.replace("null", &format!("{{\"x\":\"{}\"}}", "x".repeat(16 * 1024))),
            "it is larger than 16384 bytes".into(),
        ),
        (
            good.replace("null", &"[".repeat(1000)),
            format!(
                "invalid type: sequence, expected a map at line 1 column {}",
                good.find("null").unwrap()
            ),
        ),
    ] {
        let broken = signature_of(&payload);
        refused(
            check(ONE, Some(EDGE), &proof_of(manifest(), vec![broken.clone()])),
            &format!(
                "rule 1 (`registry.example/edge/*`) wants the manifest MANIFEST signed by `release` or `backup` with the \
                 identity `registry.example/edge/cache`; signature 1 has a payload that is not valid ({reason})"
            ),
        );
        refused(
            check(ONE, None, &proof_of(manifest(), vec![broken.clone()])),
            &format!(
                "none of its signatures is of its manifest MANIFEST; signature 1 has a payload that is not valid ({reason})"
            ),
        );
        // A good one beside it is enough.
        let beside = vec![broken, KEYS.backup.sign(digest, EDGE).unwrap()];
        assert_eq!(admitted(check(ONE, Some(EDGE), &proof_of(manifest(), beside))).1, "backup");
    }
    // What its signer adds makes no claim.
    let more = good.replace("null", r#"{"creator":"cosign","creator":1,"nested":[{}]}"#);
    admitted(check(
        ONE,
        Some(EDGE),
        &proof_of(manifest(), vec![signature_of(&more)]),
    ));
}

#[test]
fn a_swapped_component_is_refused() {
    let swapped = signed(manifest_with(b"other", ""), &[(&KEYS.release, EDGE)]);
    for repository in [Some(EDGE), None] {
        refused(
            check(ONE, repository, &swapped),
            &format!(
                "the signed manifest lists the component {}, and this one is COMPONENT: sign this one",
                Digest::of(b"other")
            ),
        );
    }
}

#[test]
fn a_plugin_without_a_proof_is_refused() {
    let text = "it is not signed: `edge-cache-agent plugin sign --key KEY --identity REGISTRY/REPOSITORY FILE` writes its \
                proof, FILE.proof, which stands beside the file or comes with the upload";
    refused(check_at(ONE, None, None, NOW), text);
    refused(check(ONE, None, &proof(&[])), text);
}

#[test]
fn a_bundle_alone_is_refused_with_what_to_do() {
    let mut proof = proof(&[]);
    proof.has_bundle = true;
    refused(
        check(ONE, Some(EDGE), &proof),
        "rule 1 (`registry.example/edge/*`) wants the manifest MANIFEST signed by `release` or `backup` with the identity \
         `registry.example/edge/cache`; it has no signature; its sigstore bundle is not read: sign with `cosign sign \
         --key KEY --new-bundle-format=false --use-signing-config=false` or with `edge-cache-agent plugin sign`",
    );
}

#[test]
fn more_signatures_than_are_looked_at_are_refused() {
    let one = KEYS.stranger.sign(manifest().digest, EDGE).unwrap();
    let mut signatures = vec![one; SIGNATURES_MAX - 1];
    signatures.push(KEYS.release.sign(manifest().digest, EDGE).unwrap());
    admitted(check(
        ONE,
        Some(EDGE),
        &proof_of(manifest(), signatures.clone()),
    ));
    let strangers = vec![signatures[0].clone(); SIGNATURES_MAX];
    let refusal = check(ONE, Some(EDGE), &proof_of(manifest(), strangers)).unwrap_err();
    assert!(
        refusal
            .to_string()
            .ends_with("signature 8 is by none of these keys, or damaged; and 56 more"),
        "{refusal}"
    );
    refused(
        check(
            ONE,
            Some(EDGE),
            &proof_of(manifest(), vec![signatures[0].clone(); 1_000]),
        ),
        "its manifest has 1000 signatures: at most 64 are allowed, remove those that are not needed",
    );
}

#[test]
fn a_damaged_signature_is_named_where_no_other_is_enough() {
    let damaged = DamagedSignature {
        payload: Digest::of(b"text"),
        reason: "its annotation holds no signature in base64".to_string(),
    };
    let mut proof = proof(&[]);
    proof.damaged.push(damaged.clone());
    let wants = format!(
        "rule 1 (`registry.example/edge/*`) wants the manifest MANIFEST signed by `release` or `backup` with the identity \
         `registry.example/edge/cache`FOUND; the signature `{}` is damaged (its annotation holds no signature in base64)",
        damaged.payload
    );
    refused(check(ONE, Some(EDGE), &proof), &wants.replace("FOUND", ""));
    proof
        .signatures
        .push(KEYS.stranger.sign(manifest().digest, EDGE).unwrap());
    let found = "; signature 1 is by none of these keys, or damaged";
    refused(
        check(ONE, Some(EDGE), &proof),
        &wants.replace("FOUND", found),
    );
    proof
        .signatures
        .push(KEYS.backup.sign(manifest().digest, EDGE).unwrap());
    assert_eq!(admitted(check(ONE, Some(EDGE), &proof)).1, "backup");
}
