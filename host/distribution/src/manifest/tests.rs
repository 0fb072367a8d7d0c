use serde_json::{Value, json};

use super::{CONFIG_TYPE, InvalidManifest, MANIFEST_TYPE, Manifest};
use crate::digest::Digest;

fn layer(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(b"plugin"), "size": 6})
}

fn parse(change: impl FnOnce(&mut Value)) -> Result<Manifest, InvalidManifest> {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": Digest::of(b"{}"), "size": 2},
        "layers": [layer("application/wasm")],
    });
    change(&mut manifest);
    Manifest::parse(manifest.to_string().into())
}

#[test]
fn a_component_of_each_layout_is_found() {
    for media_type in [
        "application/wasm",
        "application/vnd.wasm.content.layer.v1+wasm",
        "application/vnd.wasm.component.v1+wasm",
    ] {
        let manifest = parse(|it| it["layers"] = json!([layer(media_type)])).unwrap();
        assert_eq!(manifest.component.digest, Digest::of(b"plugin"));
    }
    // Old manifests have no type.
    let manifest = parse(|it| drop(it.as_object_mut().unwrap().remove("mediaType")));
    assert!(manifest.is_ok());
}

#[test]
fn a_manifest_that_means_something_else_is_refused() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 6] = [
        (
            "an index too",
            |it| it["manifests"] = json!([]),
            "the reference names an index of several manifests",
        ),
        (
            "another type",
            |it| it["mediaType"] = json!("application/vnd.oci.image.index.v1+json"),
            "the media type of the manifest is `application/vnd.oci.image.index.v1+json`, and must be",
        ),
        (
            "no layer",
            |it| it["layers"] = json!([]),
            "the manifest lists 0 components",
        ),
        (
            "two layers",
            |it| it["layers"] = json!([layer("application/wasm"), layer("application/wasm")]),
            "the manifest lists 2 components",
        ),
        (
            "another layer",
            |it| it["layers"] = json!([layer("application/wasm"), layer("text/plain")]),
            "the manifest lists 1 components",
        ),
        (
            "another digest",
            |it| it["layers"][0]["digest"] = json!("sha512:00"),
            "the manifest is not valid",
        ),
    ];
    for (case, change, expected) in cases {
        let error = parse(change).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{case}: {error}");
    }
}
