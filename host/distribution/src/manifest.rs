//! Manifests of plugins in registries: the digest and size of the component, and what its publisher says of it.
//!
//! Source of the format: OCI image specification, "Image manifest", and the CNCF layout of WebAssembly artifacts. Older
//! layouts are read too; new manifests have the CNCF layout.

use std::collections::BTreeMap;

use bytes::Bytes;
use edge_cache_core::text;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest;

/// The largest manifest, in bytes: the limit that the distribution specification recommends to registries.
pub const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The media type of manifests.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of the config in the CNCF layout.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// The media type of the component in the CNCF layout.
pub const COMPONENT_TYPE: &str = "application/wasm";
/// The media types of a component: of the CNCF layout, of its forerunner, and of ZLayer.
const COMPONENT_TYPES: [&str; 3] = [
    COMPONENT_TYPE,
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.component.v1+wasm",
];
/// The longest media type in an error, in bytes.
const MEDIA_TYPE_BYTES_MAX: usize = 128;
/// The annotation with the version of the artifact.
pub const VERSION_ANNOTATION: &str = "org.opencontainers.image.version";

/// A manifest that lists exactly one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The content as the registry has it: its digest is what signatures prove.
    pub bytes: Bytes,
    /// The digest of the content.
    pub digest: Digest,
    /// The component.
    pub component: Descriptor,
    /// The config, which names the component's kind.
    pub config: Descriptor,
    /// Annotations of the publisher about the artifact.
    pub annotations: BTreeMap<String, String>,
}

/// A reference of a manifest to a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The kind of the content.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content, in bytes.
    pub size: u64,
    /// Annotations of the publisher about the content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A content that is no manifest of a plugin.
#[derive(Debug, Error)]
pub enum InvalidManifest {
    /// The content is larger than [`MANIFEST_BYTES_MAX`].
    #[error("the manifest is larger than {MANIFEST_BYTES_MAX} bytes")]
    TooLarge,
    /// The content is no image manifest.
    #[error("the manifest is not valid")]
    Json(#[source] serde_json::Error),
    /// The manifest lists manifests of several platforms.
    #[error(
        "the reference names an index of several manifests, and a plugin has one: use the digest of the plugin's own"
    )]
    Index,
    /// The manifest says that it is of another type.
    #[error("the media type of the manifest is `{found}`, and must be `{MANIFEST_TYPE}`")]
    MediaType {
        /// The type in the manifest.
        found: String,
    },
    /// The manifest lists no component, or several.
    #[error(
        "the manifest lists {count} components, and a plugin is one layer of type `{COMPONENT_TYPE}`"
    )]
    Components {
        /// The number of layers that are components.
        count: usize,
    },
}

/// The parts of an image manifest that matter here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageManifest {
    pub(crate) schema_version: u8,
    #[serde(default = "manifest_type")]
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a manifest of a plugin.
    ///
    /// # Errors
    ///
    /// Any [`InvalidManifest`].
    pub fn parse(bytes: Bytes) -> Result<Self, InvalidManifest> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(InvalidManifest::TooLarge);
        }
        let image = ImageManifest::parse(&bytes)?;
        let is_component = |layer: &Descriptor| COMPONENT_TYPES.contains(&&*layer.media_type);
        let (mut components, others): (Vec<_>, Vec<_>) =
            image.layers.into_iter().partition(is_component);
        let component = match (components.pop(), components.is_empty()) {
            (Some(component), true) if others.is_empty() => component,
            (last, _) => {
                return Err(InvalidManifest::Components {
                    count: components.len().saturating_add(usize::from(last.is_some())),
                });
            }
        };
        Ok(Self {
            digest: Digest::of(&bytes),
            bytes,
            component,
            config: image.config,
            annotations: image.annotations,
        })
    }

    /// Describes the manifest itself.
    pub(crate) fn descriptor(&self) -> Descriptor {
        Descriptor::of(MANIFEST_TYPE, &self.bytes)
    }

    /// Returns the version that the publisher gave.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.annotations.get(VERSION_ANNOTATION).map(String::as_str)
    }
}

impl Descriptor {
    /// Describes a content.
    pub(crate) fn of(media_type: &str, content: &[u8]) -> Self {
        Self {
            media_type: media_type.to_string(),
            digest: Digest::of(content),
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
            annotations: BTreeMap::new(),
        }
    }
}

impl ImageManifest {
    /// Returns the content that registries keep.
    pub(crate) fn to_json(&self) -> Result<Bytes, InvalidManifest> {
        let json = serde_json::to_vec(self).map_err(InvalidManifest::Json)?;
        Ok(json.into())
    }

    /// Reads any image manifest. A content that others could read as an index is none: one digest must have one meaning.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        #[derive(Deserialize)]
        struct Index {
            manifests: Option<serde::de::IgnoredAny>,
        }
        let index = serde_json::from_slice::<Index>(bytes);
        if index.is_ok_and(|index| index.manifests.is_some()) {
            return Err(InvalidManifest::Index);
        }
        let image: Self = serde_json::from_slice(bytes).map_err(InvalidManifest::Json)?;
        if image.media_type != MANIFEST_TYPE {
            let found = text::clean(&image.media_type, MEDIA_TYPE_BYTES_MAX);
            return Err(InvalidManifest::MediaType { found });
        }
        Ok(image)
    }
}

fn manifest_type() -> String {
    MANIFEST_TYPE.to_string()
}

#[cfg(test)]
mod tests;
