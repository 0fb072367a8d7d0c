//! The index of a store: `index.json` of an image layout.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::contents::{Contents, Stored, Tagged, listed_by};
use crate::manifest::{Descriptor, MANIFEST_TYPE, Manifest};
use crate::signatures;

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// The annotation with the name by which tools find an entry: `REGISTRY/REPOSITORY:TAG`, or the tag of signatures.
const NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation with the time of a pull.
const PULLED_AT: &str = "zlayer.edge-cache.pulled-at";
/// The annotation with the time of the last use. Every plugin has one entry with it.
const USED_AT: &str = "zlayer.edge-cache.used-at";
/// The annotation of plugins that have a sigstore bundle in their registry.
const BUNDLE: &str = "zlayer.edge-cache.sigstore-bundle";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: String,
    manifests: Vec<Descriptor>,
}

/// Returns the text of an index.
pub(super) fn text(contents: &Contents) -> Vec<u8> {
    let mut manifests = Vec::new();
    for (digest, stored) in &contents.artifacts {
        let mut entry = stored.manifest.descriptor();
        let mut note = |key: &str, value: String| entry.annotations.insert(key.to_string(), value);
        note(PULLED_AT, stored.pulled_at.to_string());
        note(USED_AT, stored.used_at.to_string());
        if stored.has_bundle {
            note(BUNDLE, true.to_string());
        }
        manifests.push(entry);
        if let Some((signed, _)) = &stored.signatures {
            let mut entry = signed.clone();
            let tag = signatures::tag(digest);
            entry.annotations = BTreeMap::from([(NAME.to_string(), tag)]);
            manifests.push(entry);
        }
    }
    for (name, tagged) in &contents.tags {
        let annotations = [
            (NAME, name.clone()),
            (PULLED_AT, tagged.pulled_at.to_string()),
        ];
        manifests.push(Descriptor {
            media_type: MANIFEST_TYPE.to_string(),
            digest: tagged.digest,
            size: tagged.size,
            annotations: annotations
                .map(|(key, value)| (key.to_string(), value))
                .into(),
        });
    }
    let index = Index {
        schema_version: 2,
        media_type: INDEX_TYPE.to_string(),
        manifests,
    };
    // Numbers and texts: this cannot fail.
    serde_json::to_vec(&index).unwrap_or_default()
}

/// Reads an index; none if it is damaged. `read` returns a verified content. A plugin without its manifest is left out,
/// its tags are not.
pub(super) fn read(text: &[u8], read: impl Fn(&Descriptor) -> Option<Bytes>) -> Option<Contents> {
    let index: Index = serde_json::from_slice(text).ok()?;
    let mut contents = Contents::default();
    let mut signed = BTreeMap::new();
    for entry in index.manifests {
        let time = |key: &str| entry.annotations.get(key)?.parse::<u64>().ok();
        match (entry.annotations.get(NAME), time(PULLED_AT), time(USED_AT)) {
            (None, Some(pulled_at), Some(used_at)) => {
                let manifest = read(&entry).and_then(|bytes| Manifest::parse(bytes).ok());
                let Some(manifest) = manifest else {
                    continue;
                };
                let stored = Stored {
                    has_config: read(&manifest.config).is_some(),
                    manifest,
                    signatures: None,
                    has_bundle: entry.annotations.contains_key(BUNDLE),
                    pulled_at,
                    used_at,
                };
                contents.artifacts.insert(entry.digest, stored);
            }
            (Some(name), Some(pulled_at), None) => {
                let tagged = Tagged {
                    digest: entry.digest,
                    size: entry.size,
                    pulled_at,
                };
                contents.tags.insert(name.clone(), tagged);
            }
            (Some(name), None, None) => {
                signed.insert(name.clone(), entry);
            }
            _ => return None,
        }
    }
    contents.artifacts.retain(|digest, stored| {
        let Some(entry) = signed.remove(&signatures::tag(digest)) else {
            return true;
        };
        // A signature that is lost must not make a plugin an unsigned one.
        let others = read(&entry).and_then(|manifest| listed_by(&manifest));
        let is_whole = others.is_some();
        stored.signatures = others.map(|others| (entry, others));
        is_whole
    });
    Some(contents)
}
