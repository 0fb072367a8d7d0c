use super::{InvalidReference, Reference};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_reference_is_read_as_it_is_written() {
    for text in [
        "oci://registry.example/plugin:1".to_string(),
        "oci://127.0.0.1:5000/acme/edge_cache/plugin-2:v1.2_x-Y".to_string(),
        "oci://[::1]:5000/a:b".to_string(),
        format!("oci://registry.example/plugin@{DIGEST}"),
        format!("oci://registry.example:443/a/b:tag@{DIGEST}"),
    ] {
        let reference: Reference = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(reference.to_string(), text);
    }
}

#[test]
fn a_wrong_reference_is_refused_with_the_part_that_is_wrong() {
    for (text, error) in [
        ("plugin.wasm", InvalidReference::Scheme),
        ("OCI://a/b:c", InvalidReference::Scheme),
        ("oci://registry.example", InvalidReference::NoRepository),
        ("oci:///a:b", InvalidReference::Registry),
        (
            "oci://user:secret@host/a:b",
            InvalidReference::Digest(super::InvalidDigest),
        ),
        ("oci://host:0/a:b", InvalidReference::Registry),
        ("oci://host:x/a:b", InvalidReference::Registry),
        ("oci://ho st/a:b", InvalidReference::Registry),
        ("oci://[::1/a:b", InvalidReference::Registry),
        ("oci://host/:b", InvalidReference::Repository),
        ("oci://host/A:b", InvalidReference::Repository),
        ("oci://host/../b:c", InvalidReference::Repository),
        ("oci://host/a//b:c", InvalidReference::Repository),
        ("oci://host/a", InvalidReference::NoVersion),
        ("oci://host/a:", InvalidReference::Tag),
        ("oci://host/a:b:c", InvalidReference::Tag),
        ("oci://host/a:b/c", InvalidReference::Tag),
        (
            "oci://host/a:b@sha256:1",
            InvalidReference::Digest(super::InvalidDigest),
        ),
    ] {
        assert_eq!(text.parse::<Reference>(), Err(error), "{text}");
    }
}
