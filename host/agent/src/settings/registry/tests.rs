use super::PluginSource;

#[test]
fn a_source_is_a_file_or_a_reference() {
    for text in ["plugin.wasm", "/a/b.wasm", "./oci:/x", "a b://c"] {
        assert_eq!(text.parse(), Ok(PluginSource::File(text.into())));
    }
    let reference = "oci://registry.example/plugin:1";
    assert_eq!(
        reference.parse(),
        Ok(PluginSource::Registry(reference.parse().unwrap()))
    );
}

#[test]
fn a_wrong_source_is_refused_with_the_right_notation() {
    for (text, error) in [
        (
            "https://registry.example/plugin.wasm",
            "a plugin is a file, or `oci://REGISTRY/REPOSITORY:TAG`",
        ),
        (
            "OCI://registry.example/plugin:1",
            "a plugin is a file, or `oci://REGISTRY/REPOSITORY:TAG`",
        ),
        (
            "oci://registry.example/plugin",
            "a reference ends with `:TAG`, with `@sha256:DIGEST`, or with both",
        ),
    ] {
        assert_eq!(
            text.parse::<PluginSource>(),
            Err(error.to_string()),
            "{text}"
        );
    }
}
