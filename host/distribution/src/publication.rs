//! Plugins as they are pushed: the manifest and the config of a component, in the CNCF layout of WebAssembly artifacts.
//!
//! Source: CNCF TAG Runtime, "Wasm OCI Artifact layout". The same component with the same annotations gives the same
//! digest at any time: `created` is the annotation `org.opencontainers.image.created`, or else the Unix epoch.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::digest::Digest;
use crate::manifest::{
    COMPONENT_TYPE, CONFIG_TYPE, Descriptor, ImageManifest, InvalidManifest, MANIFEST_TYPE,
    Manifest,
};

#[cfg(test)]
mod tests;

/// The annotation with the time at which the artifact was made.
const CREATED_ANNOTATION: &str = "org.opencontainers.image.created";
/// The time where no annotation names one.
const CREATED_DEFAULT: &str = "1970-01-01T00:00:00Z";

/// A component with its config and manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The content of the plugin.
    pub component: Bytes,
    /// The content of the config.
    pub config: Bytes,
    /// The manifest of both.
    pub manifest: Manifest,
}

/// The face of a component, for the config.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Interface {
    /// The names of its exports.
    pub exports: Vec<String>,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The world that it is made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [Digest; 1],
    component: &'a Interface,
}

impl Publication {
    /// Makes config and manifest of a component.
    ///
    /// # Errors
    ///
    /// The annotations make the manifest too large.
    pub fn new(
        component: impl Into<Bytes>,
        interface: &Interface,
        annotations: BTreeMap<String, String>,
    ) -> Result<Self, InvalidManifest> {
        let component = component.into();
        let created = annotations.get(CREATED_ANNOTATION);
        let config = Config {
            created: created.map_or(CREATED_DEFAULT, String::as_str),
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [Digest::of(&component)],
            component: interface,
        };
        let config: Bytes = serde_json::to_vec(&config)
            .map_err(InvalidManifest::Json)?
            .into();
        let image = ImageManifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_string(),
            config: Descriptor::of(CONFIG_TYPE, &config),
            layers: vec![Descriptor::of(COMPONENT_TYPE, &component)],
            annotations,
        };
        let manifest = Manifest::parse(image.to_json()?)?;
        Ok(Self {
            component,
            config,
            manifest,
        })
    }
}
