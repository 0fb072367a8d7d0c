//! The choice of a rule, and its conditions beside signatures.

use super::*;

#[test]
fn the_first_rule_that_matches_applies_and_no_other() {
    let rules = r#"
[[rules]]
repository = "a.example/strict"
all_of = ["release", "backup"]
[[rules]]
repository = "a.example/*"
any_of = ["release"]
"#;
    let by_one = |identity| proof(&[(&KEYS.release, identity)]);
    let strict = "rule 1 (`a.example/strict`) wants the manifest MANIFEST signed by `release` and `backup` with the \
                  identity `a.example/strict`; signature 1 is by `release`";
    for repository in [Some("a.example/strict"), None] {
        refused(
            check(rules, repository, &by_one("a.example/strict")),
            strict,
        );
    }
    let other = by_one("a.example/other");
    assert_eq!(
        admitted(check(rules, Some("a.example/other"), &other)).0,
        "2"
    );
    assert_eq!(admitted(check(rules, None, &other)).0, "2");
    let both = proof(&[
        (&KEYS.backup, "a.example/strict"),
        (&KEYS.release, "a.example/strict"),
    ]);
    assert_eq!(
        admitted(check(rules, Some("a.example/strict"), &both)),
        ("1".into(), "release backup".into())
    );
    // The second has the right key, but not for this repository.
    let mixed = proof(&[
        (&KEYS.backup, "a.example/strict"),
        (&KEYS.release, "a.example/other"),
    ]);
    refused(
        check(rules, Some("a.example/strict"), &mixed),
        "rule 1 (`a.example/strict`) wants the manifest MANIFEST signed by `release` and `backup` with the identity \
         `a.example/strict`; signature 1 is by `backup`; signature 2 has the identity `a.example/other`",
    );
    // Of a file either identity will do.
    assert_eq!(
        admitted(check(rules, None, &mixed)),
        ("2".into(), "release".into())
    );
    for repository in [Some("b.example/x"), None] {
        refused(
            check(rules, repository, &by_one("b.example/x")),
            "the trust file has no rule for `b.example/x`: add one whose `repository` matches it",
        );
    }
}

#[test]
fn the_refusal_of_a_rule_says_more_than_no_rule() {
    let file = proof(&[
        (&KEYS.stranger, "a.example/x"),
        (&KEYS.stranger, EDGE),
        (&KEYS.stranger, "z.example/x"),
    ]);
    refused(
        check(ONE, None, &file),
        "rule 1 (`registry.example/edge/*`) wants the manifest MANIFEST signed by `release` or `backup` with the identity \
         `registry.example/edge/cache`; signature 1 has the identity `a.example/x`; signature 2 is by none of these keys, \
         or damaged; signature 3 has the identity `z.example/x`",
    );
}

#[test]
fn all_of_and_any_of_hold_together() {
    let rules = r#"
[[rules]]
repository = "a/x"
all_of = ["release"]
any_of = ["backup", "release"]
[[rules]]
repository = "a/y"
all_of = ["release"]
any_of = ["backup"]
"#;
    assert_eq!(
        admitted(check(rules, Some("a/x"), &proof(&[(&KEYS.release, "a/x")]))).1,
        "release"
    );
    refused(
        check(rules, Some("a/x"), &proof(&[(&KEYS.backup, "a/x")])),
        "rule 1 (`a/x`) wants the manifest MANIFEST signed by `release` and one of `backup` or `release` with the \
         identity `a/x`; signature 1 is by `backup`",
    );
    refused(
        check(rules, Some("a/y"), &proof(&[(&KEYS.release, "a/y")])),
        "rule 2 (`a/y`) wants the manifest MANIFEST signed by `release` and `backup` with the identity `a/y`; signature \
         1 is by `release`",
    );
}

#[test]
fn a_denied_digest_is_refused_whatever_rules_say() {
    let signed = proof(&[(&KEYS.release, EDGE)]);
    for (part, digest) in [
        ("manifest", manifest().digest),
        ("component", Digest::of(COMPONENT)),
    ] {
        let rules = format!("denied = [\"{}\", \"{digest}\"]\n{ONE}", Digest::of(b"x"));
        for repository in [Some(EDGE), None] {
            refused(
                check(&rules, repository, &signed),
                &format!("the {part} {digest} is in `denied` of the trust file"),
            );
        }
    }
    let rules = format!("denied = [\"{}\"]\n{ONE}", Digest::of(COMPONENT));
    refused(
        check_at(&rules, None, None, NOW),
        "the component COMPONENT is in `denied` of the trust file",
    );
}

#[test]
fn a_rule_lets_nothing_in_after_its_end() {
    let rules = format!("{ONE}not_after = 2027-06-01T02:00:00+02:00\n");
    let signed = proof(&[(&KEYS.release, EDGE)]);
    let at = |now| check_at(&rules, Some(EDGE), Some(&signed), now);
    admitted(at(NOW + DAY));
    for now in [NOW + DAY + 1, u64::from(u32::MAX) * 1_000] {
        refused(
            at(now),
            "rule 1 (`registry.example/edge/*`) lets nothing in after 2027-06-01T00:00:00Z: renew its `not_after`",
        );
    }
}

#[test]
fn a_version_below_the_minimum_is_refused() {
    let rules = format!("{ONE}minimum = \"1.2.0\"\n");
    let wants = "rule 1 (`registry.example/edge/*`) wants version 1.2.0 or later in \
                 `org.opencontainers.image.version`, and the manifest has ";
    for (manifest, found) in [
        (version("1.1.9"), "`1.1.9`"),
        (version("1.2.0-rc.1"), "`1.2.0-rc.1`"),
        (version("v1.3.0"), "`v1.3.0`, which is no semantic version"),
        (version("latest"), "`latest`, which is no semantic version"),
        (version(""), "``, which is no semantic version"),
        (manifest_with(COMPONENT, ""), "none"),
    ] {
        let proof = signed(manifest, &[(&KEYS.release, EDGE)]);
        refused(
            check(&rules, Some(EDGE), &proof),
            &format!("{wants}{found}"),
        );
    }
    for good in ["1.2.0", "1.2.0+build.5", "1.10.0", "2.0.0-alpha"] {
        admitted(check(
            &rules,
            Some(EDGE),
            &signed(version(good), &[(&KEYS.release, EDGE)]),
        ));
    }
    // Build metadata orders nothing, on either side.
    let built = rules.replace("1.2.0", "1.2.0+9");
    admitted(check(&built, Some(EDGE), &proof(&[(&KEYS.release, EDGE)])));
}
