use super::{InvalidPattern, Pattern, canonical, parse_identity};

#[test]
fn a_pattern_means_a_name_or_the_names_that_begin_so() {
    for (pattern, name, matches) in [
        ("a.example/b", "a.example/b", true),
        ("a.example/b", "a.example/b/c", false),
        ("a.example/b", "a.example/bc", false),
        ("a.example/*", "a.example/b", true),
        ("a.example/*", "a.example/b/c", true),
        ("a.example/*", "a.example.evil/b", false),
        ("a.example/b-*", "a.example/b-1", true),
        ("a.example/b-*", "a.example/b", false),
        ("a.example:5000/*", "a.example/b", false),
        ("A.Example/*", "a.example/b", true),
        ("*", "a.example/b", true),
        ("*", "", true),
    ] {
        let parsed = Pattern::parse(pattern).unwrap();
        assert_eq!(parsed.matches(name), matches, "{pattern} {name}");
    }
}

#[test]
fn a_pattern_covers_what_it_means() {
    for (wide, narrow, covers) in [
        ("*", "a/b", true),
        ("*", "a/*", true),
        ("*", "*", true),
        ("a/*", "*", false),
        ("a/*", "a/b", true),
        ("a/*", "a/b*", true),
        ("a/b*", "a/*", false),
        ("a/b", "a/b", true),
        ("a/b", "a/b*", false),
        ("a/b*", "a/b", true),
        ("a/b", "a/c", false),
    ] {
        let (wide_pattern, narrow_pattern) = (
            Pattern::parse(wide).unwrap(),
            Pattern::parse(narrow).unwrap(),
        );
        assert_eq!(
            wide_pattern.covers(&narrow_pattern),
            covers,
            "{wide} {narrow}"
        );
    }
}

#[test]
fn a_wrong_pattern_is_refused_with_the_reason() {
    let star = "a `*` may stand only at the end, after the slash that ends the registry: `REGISTRY/*`, `REGISTRY/PREFIX*`, \
                or `*` alone";
    let version = "leave out the tag and the digest: a pattern is REGISTRY/REPOSITORY";
    let no_name = "it is not REGISTRY/REPOSITORY: a reference names a registry and a repository: \
                   `oci://REGISTRY/REPOSITORY:TAG`";
    let characters = "it is not REGISTRY/REPOSITORY: the repository may have lower-case letters, digits, `.`, `_`, `-` \
                      and `/`, at most 255 bytes with the registry";
    for (pattern, text) in [
        ("", no_name),
        ("registry.example", no_name),
        (
            "oci://a/b",
            "leave out `oci://`: a pattern is REGISTRY/REPOSITORY",
        ),
        ("a/b:1", version),
        ("a/b@sha256:1", version),
        ("a*", star),
        ("*.example/b", star),
        ("a/*/b", star),
        ("a/**", star),
        ("a/b c", characters),
        ("a/", characters),
        ("a//*", characters),
        (
            "a b/c",
            "it is not REGISTRY/REPOSITORY: the registry must be a host, or HOST:PORT",
        ),
    ] {
        let error = Pattern::parse(pattern).unwrap_err();
        assert_eq!(error.to_string(), text, "{pattern}");
    }
}

#[test]
fn a_name_has_neither_tag_nor_digest() {
    for (reference, name) in [
        ("a/b", "a/b"),
        ("a/b:1", "a/b"),
        ("a/b@sha256:1", "a/b"),
        ("a/b:1@sha256:1", "a/b"),
        ("a:5000/b", "a:5000/b"),
        ("a:5000/B/c:1", "a:5000/b/c"),
        ("a:5000", "a:5000"),
        ("a", "a"),
        ("", ""),
        ("@", ""),
        (":", ":"),
        ("/:", "/"),
    ] {
        assert_eq!(canonical(reference), name, "{reference}");
    }
}

#[test]
fn an_identity_is_one_name() {
    assert_eq!(
        parse_identity("A.example:5000/b"),
        Ok("a.example:5000/b".to_string())
    );
    assert_eq!(parse_identity("a/b*"), Err(InvalidPattern::NotOne));
    assert_eq!(parse_identity("a/b:1"), Err(InvalidPattern::Version));
}
