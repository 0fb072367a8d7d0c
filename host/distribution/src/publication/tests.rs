use std::collections::BTreeMap;

use super::{Interface, Publication};

/// Known by heart of registries: a change of it would change the digest of every plugin that is pushed again.
#[test]
fn a_component_has_the_cncf_layout_and_always_the_same_digest() {
    let interface = Interface {
        exports: vec!["a:b/c@1.0.0".to_string()],
        imports: vec!["d:e/f".to_string()],
        target: Some("a:b/w@1.0.0".to_string()),
    };
    let version = "org.opencontainers.image.version".to_string();
    let annotations = BTreeMap::from([(version, "1.2.3".to_string())]);
    let made = Publication::new(&b"\0asm"[..], &interface, annotations).unwrap();
    assert_eq!(
        made.config,
        r#"{"created":"1970-01-01T00:00:00Z","architecture":"wasm","os":"wasip2","layerDigests":["sha256:cd5d4935a48c0672cb06407bb443bc0087aff947c6b864bac886982c73b3027f"],"component":{"exports":["a:b/c@1.0.0"],"imports":["d:e/f"],"target":"a:b/w@1.0.0"}}"#
    );
    let config = crate::Digest::of(&made.config);
    assert_eq!(
        made.manifest.bytes,
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{config}","size":{}}},"layers":[{{"mediaType":"application/wasm","digest":"sha256:cd5d4935a48c0672cb06407bb443bc0087aff947c6b864bac886982c73b3027f","size":4}}],"annotations":{{"org.opencontainers.image.version":"1.2.3"}}}}"#,
            made.config.len()
        )
    );
    assert_eq!(made.manifest.version(), Some("1.2.3"));
}

#[test]
fn the_time_of_creation_is_an_annotation() {
    let created = "org.opencontainers.image.created".to_string();
    let annotations = BTreeMap::from([(created, "2026-01-02T03:04:05Z".to_string())]);
    let made = Publication::new(&b""[..], &Interface::default(), annotations).unwrap();
    let config = std::str::from_utf8(&made.config).unwrap();
    assert!(
        config.starts_with(r#"{"created":"2026-01-02T03:04:05Z","#),
        "{config}"
    );
}
