//! The name in a signature: for which repository it counts.

use super::*;

#[test]
fn an_identity_is_compared_without_tag_digest_and_case() {
    for identity in [
        format!("{EDGE}:1.2"),
        format!("{EDGE}@{}", Digest::of(b"other")),
        format!("{EDGE}:1.2@{}", Digest::of(b"other")),
        EDGE.to_uppercase(),
    ] {
        let proof = proof(&[(&KEYS.release, &identity)]);
        let admission = check(ONE, Some(EDGE), &proof).unwrap();
        assert_eq!(admission.identity, EDGE, "{identity}");
    }
    // A port is no tag.
    let proof = proof(&[(&KEYS.release, "registry.example:5000/edge/cache")]);
    let refusal = check(ONE, Some(EDGE), &proof).unwrap_err().to_string();
    assert!(
        refusal.ends_with("has the identity `registry.example:5000/edge/cache`"),
        "{refusal}"
    );
    // The registry of a reference is a host, which has no case.
    let upper = proof_of(manifest(), self::proof(&[(&KEYS.release, EDGE)]).signatures);
    admitted(check(ONE, Some("REGISTRY.example/edge/cache"), &upper));
}

#[test]
fn a_mirror_wants_the_identity_that_its_rule_names() {
    let rules = r#"
[[rules]]
repository = "mirror.internal/*"
any_of = ["release"]
identity = "ghcr.io/acme/edge"
[[rules]]
repository = "ghcr.io/acme/*"
any_of = ["backup"]
"#;
    let original = proof(&[(&KEYS.release, "ghcr.io/acme/edge:1.2")]);
    let mirrored = Some("mirror.internal/acme/edge");
    assert_eq!(
        admitted(check(rules, mirrored, &original)),
        ("1".into(), "release".into())
    );
    let own = proof(&[(&KEYS.release, "mirror.internal/acme/edge")]);
    refused(
        check(rules, mirrored, &own),
        "rule 1 (`mirror.internal/*`) wants the manifest MANIFEST signed by `release` with the identity \
         `ghcr.io/acme/edge`; signature 1 has the identity `mirror.internal/acme/edge`",
    );
    // A signature that nobody trusts cannot choose the rule by which another one is judged.
    let lured = proof(&[
        (&KEYS.release, "ghcr.io/acme/edge:1.2"),
        (&KEYS.stranger, "mirror.internal/x"),
    ]);
    assert!(check(rules, None, &lured).is_err());
    // A file does not come from the mirror: the rule of the name in the signature applies.
    refused(
        check(rules, None, &original),
        "rule 2 (`ghcr.io/acme/*`) wants the manifest MANIFEST signed by `backup` with the identity \
         `ghcr.io/acme/edge`; signature 1 is by none of these keys, or damaged",
    );
    refused(
        check(rules, None, &own),
        "rule 1 (`mirror.internal/*`) wants the manifest MANIFEST signed by `release` with the identity \
         `ghcr.io/acme/edge`; signature 1 has the identity `mirror.internal/acme/edge`",
    );
    let pattern = rules.replace("ghcr.io/acme/edge\"", "ghcr.io/acme/*\"");
    admitted(check(&pattern, mirrored, &original));
}

#[test]
fn a_key_lets_in_only_what_its_rules_let_it_sign() {
    let rules = r#"
[[rules]]
repository = "a/*"
any_of = ["release"]
[[rules]]
repository = "b/*"
any_of = ["backup"]
"#;
    let proof = proof(&[(&KEYS.release, "b/x")]);
    refused(
        check(rules, None, &proof),
        "rule 2 (`b/*`) wants the manifest MANIFEST signed by `backup` with the identity `b/x`; signature 1 is by none \
         of these keys, or damaged",
    );
    refused(
        check(rules, Some("a/x"), &proof),
        "rule 1 (`a/*`) wants the manifest MANIFEST signed by `release` with the identity `a/x`; signature 1 has the \
         identity `b/x`",
    );
}

#[test]
fn a_refusal_shows_nothing_that_breaks_a_line() {
    let long = format!("registry.example/edge/\n\u{202e}{}", "x".repeat(1_000));
    let proof = proof(&[(&KEYS.release, &long)]);
    let refusal = check(ONE, Some(EDGE), &proof).unwrap_err().to_string();
    assert!(
        refusal.contains("has the identity `registry.example/edge/\u{fffd}\u{fffd}xxx"),
        "{refusal}"
    );
    assert!(
        refusal.ends_with("xxx…`") && refusal.len() < 500,
        "{refusal}"
    );
}
