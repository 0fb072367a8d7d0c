//! The plugins and tags of a store.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::files::Folder;
use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::manifest::{Descriptor, ImageManifest, MANIFEST_TYPE, Manifest};
use crate::proof::{Proof, Signature};
use crate::signatures;

/// Contents of a store, as its index lists them.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// Plugins by the digest of their manifest.
    pub(super) artifacts: BTreeMap<Digest, Stored>,
    /// The digests of tags, by `REGISTRY/REPOSITORY:TAG`.
    pub(super) tags: BTreeMap<String, Tagged>,
}

/// A plugin in the store.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) manifest: Manifest,
    /// The image of the signatures: its manifest, and all contents that it lists.
    pub(super) signatures: Option<(Descriptor, Vec<Descriptor>)>,
    pub(super) has_config: bool,
    pub(super) has_bundle: bool,
    pub(super) pulled_at: u64,
    pub(super) used_at: u64,
}

/// A remembered tag.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    pub(super) digest: Digest,
    /// The size of the manifest.
    pub(super) size: u64,
    pub(super) pulled_at: u64,
}

impl Contents {
    /// Removes the least recently used plugin that need not stay. Returns whether there was one.
    pub(super) fn evict(&mut self, kept: &[Digest]) -> bool {
        let candidates = self.artifacts.iter();
        let candidates = candidates.filter(|(digest, _)| !kept.contains(digest));
        let oldest = candidates.min_by_key(|(_, stored)| stored.used_at);
        let Some(oldest) = oldest.map(|(digest, _)| *digest) else {
            return false;
        };
        self.artifacts.remove(&oldest);
        true
    }
}

impl Stored {
    /// Describes a plugin, and returns its files.
    pub(super) fn of(artifact: &Artifact, now: u64) -> (Self, Vec<Bytes>) {
        let Artifact {
            component,
            config,
            proof,
        } = artifact;
        let mut files = vec![component.clone(), proof.manifest.bytes.clone()];
        files.extend(config.clone());
        let layers: Vec<Descriptor> = proof.signatures.iter().map(signatures::layer).collect();
        let image = (!layers.is_empty()).then(|| signatures::image(layers.clone()).ok());
        let signatures = image.flatten().map(|image| {
            let manifest = Descriptor::of(MANIFEST_TYPE, &image.manifest);
            let config = Descriptor::of("", &image.config);
            let payloads = proof.signatures.iter();
            files.extend(payloads.map(|signature| signature.payload.clone()));
            files.extend([image.config, image.manifest]);
            (manifest, layers.into_iter().chain([config]).collect())
        });
        let stored = Self {
            manifest: proof.manifest.clone(),
            signatures,
            has_config: config.is_some(),
            has_bundle: proof.has_bundle,
            pulled_at: now,
            used_at: now,
        };
        (stored, files)
    }

    /// Describes all files of the plugin.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        let config = self.has_config.then(|| self.manifest.config.clone());
        let own = [self.manifest.descriptor(), self.manifest.component.clone()];
        let signatures = self.signatures.clone().into_iter();
        let signatures =
            signatures.flat_map(|(manifest, others)| others.into_iter().chain([manifest]));
        own.into_iter().chain(config).chain(signatures)
    }

    /// Reads the plugin. None if a file is missing or damaged; damaged ones are removed.
    pub(super) fn read(&self, folder: &Folder) -> Option<Artifact> {
        let read = |descriptor: &Descriptor| folder.read(descriptor).ok();
        let component = read(&self.manifest.component);
        // No plugin needs it.
        let config = self.has_config.then(|| read(&self.manifest.config));
        let signatures = match &self.signatures {
            Some((manifest, _)) => {
                read(manifest).and_then(|manifest| read_signatures(&manifest, read))
            }
            None => Some(Vec::new()),
        };
        // The manifest itself is in memory.
        read(&self.manifest.descriptor())?;
        Some(Artifact {
            component: component?,
            config: config.flatten(),
            proof: Proof {
                has_bundle: self.has_bundle,
                ..Proof::new(self.manifest.clone(), signatures?)
            },
        })
    }
}

fn read_signatures(
    manifest: &[u8],
    read: impl Fn(&Descriptor) -> Option<Bytes>,
) -> Option<Vec<Signature>> {
    let listed = signatures::listed(manifest).ok()?.into_iter();
    let signatures = listed.map(|listed| {
        Some(Signature {
            payload: read(&listed.payload)?,
            signature: listed.signature.ok()?,
        })
    });
    signatures.collect()
}

/// Returns the contents that an image of signatures lists.
pub(super) fn listed_by(manifest: &[u8]) -> Option<Vec<Descriptor>> {
    let image = ImageManifest::parse(manifest).ok()?;
    Some(image.layers.into_iter().chain([image.config]).collect())
}
