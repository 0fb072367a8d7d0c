//! Plugins on disk: an OCI image layout, whose contents are kept by digest and verified when they are read.
//!
//! Source of the layout: OCI image specification, "Image layout". Standard tools read the folder by `REGISTRY/REPOSITORY:TAG`.
//! `index.json` lists each plugin with the time of its last use, each remembered tag, and the signatures of each plugin.
//! A plugin may be evicted; its tag is remembered still, so that the same version is pulled again.
//!
//! Every write is durable and atomic. Times are given by the caller, in seconds since the Unix epoch.

mod contents;
mod error;
mod files;
mod index;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::path::Path;

use thiserror::Error;

use self::contents::{Contents, Stored, Tagged};
use self::files::Folder;
use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::manifest::Descriptor;
use crate::reference::Reference;

pub use self::error::StoreError;

#[cfg(test)]
mod tests;

/// The largest number of plugins in a store.
const ARTIFACTS_MAX: usize = 256;
/// The largest number of remembered tags.
const TAGS_MAX: usize = 256;

/// A store of plugins on disk. One process uses it at a time.
#[derive(Debug)]
pub struct BlobStore {
    folder: Folder,
    cache_bytes: u64,
    contents: Contents,
}

/// The result of a look into the store.
#[derive(Debug)]
pub enum Lookup {
    /// The plugin, and when it was pulled.
    Found(Box<Artifact>, u64),
    /// The plugin is not in the store.
    Absent,
    /// A file of the plugin was missing or damaged. The damaged one is removed.
    Damaged,
}

/// A fact of an opened store that the caller should log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreWarning {
    /// The index was damaged.
    #[error(
        "the index of the stored plugins is damaged: the store is emptied, tags are resolved again and plugins pulled again"
    )]
    DamagedIndex,
}

impl BlobStore {
    /// Opens or makes a store in a folder, removes what an interrupted write has left, and evicts what exceeds the size.
    /// Blocks its thread, as all methods do.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`] and [`StoreError::Disk`].
    pub fn open(
        directory: &Path,
        cache_bytes: u64,
    ) -> Result<(Self, Option<StoreWarning>), StoreError> {
        let folder = Folder::open(directory)?;
        let read = folder
            .read_index()?
            .map_or(Some(Contents::default()), |index| {
                index::read(&index, |descriptor| folder.read(descriptor).ok())
            });
        let warning = read.is_none().then_some(StoreWarning::DamagedIndex);
        let mut store = Self {
            folder,
            cache_bytes,
            contents: read.unwrap_or_default(),
        };
        // Nobody has said yet which must stay: the last used ones do.
        while size(&store.contents, iter::empty()) > cache_bytes && store.contents.evict(&[]) {}
        store.save()?;
        Ok((store, warning))
    }

    /// Opens a store that is only read. What is put is forgotten. Returns none where there is no store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`] and [`StoreError::Disk`].
    pub fn look(directory: &Path, cache_bytes: u64) -> Result<Option<Self>, StoreError> {
        let Some(folder) = Folder::look(directory)? else {
            return Ok(None);
        };
        let index = folder.read_index()?;
        let read =
            index.and_then(|index| index::read(&index, |descriptor| folder.read(descriptor).ok()));
        Ok(Some(Self {
            folder,
            cache_bytes,
            contents: read.unwrap_or_default(),
        }))
    }

    /// Returns a plugin by the digest of its manifest, each file verified.
    pub fn get(&mut self, manifest: &Digest, now: u64) -> Lookup {
        let Some(stored) = self.contents.artifacts.get_mut(manifest) else {
            return Lookup::Absent;
        };
        stored.used_at = stored.used_at.max(now);
        let found = stored.read(&self.folder);
        let pulled_at = stored.pulled_at;
        match found {
            Some(artifact) => {
                // Without it, only the order of evictions changes.
                let _ = self.save();
                Lookup::Found(Box::new(artifact), pulled_at)
            }
            None => Lookup::Damaged,
        }
    }

    /// Stores a plugin, after evicting others where it needs their space: the least recently used first, and none of those
    /// that must stay.
    ///
    /// # Errors
    ///
    /// [`StoreError::DoesNotFit`] and [`StoreError::Disk`].
    pub fn put(
        &mut self,
        artifact: &Artifact,
        now: u64,
        kept: &[Digest],
    ) -> Result<(), StoreError> {
        if !self.folder.is_kept() {
            return Ok(());
        }
        let digest = artifact.proof.manifest.digest;
        let (stored, files) = Stored::of(artifact, now);
        // The previous signatures are removed after the new ones are written.
        let before = self.contents.artifacts.get(&digest).cloned();
        let mut planned = self.contents.clone();
        planned.artifacts.insert(digest, stored.clone());
        let others: Vec<Digest> = kept.iter().copied().chain([digest]).collect();
        let size = |planned: &Contents| {
            let old = before.iter().flat_map(Stored::descriptors);
            size(planned, old)
        };
        while size(&planned) > self.cache_bytes || planned.artifacts.len() > ARTIFACTS_MAX {
            if !planned.evict(&others) {
                return Err(StoreError::DoesNotFit {
                    needed: size(&planned),
                    max: self.cache_bytes,
                });
            }
        }
        // First without the new one, so that there is never more than the limit.
        self.contents = planned.clone();
        match before {
            Some(before) => self.contents.artifacts.insert(digest, before),
            None => self.contents.artifacts.remove(&digest),
        };
        self.save()?;
        let written = files.iter().try_for_each(|file| self.folder.write(file));
        if written.is_ok() {
            self.contents = planned;
        }
        // Where a write failed, this removes the others.
        self.save().and(written)
    }

    /// Returns the remembered digest of a tag, and when its plugin was pulled.
    #[must_use]
    pub fn remembered(&self, reference: &Reference) -> Option<(Digest, u64)> {
        let tagged = self.contents.tags.get(&tag_name(reference)?)?;
        Some((tagged.digest, tagged.pulled_at))
    }

    /// Remembers the digest of a tag. A reference without both changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Disk`].
    pub fn remember(&mut self, reference: &Reference, pulled_at: u64) -> Result<(), StoreError> {
        let (Some(name), Some(digest)) = (tag_name(reference), reference.digest()) else {
            return Ok(());
        };
        let stored = self.contents.artifacts.get(&digest);
        let size = stored.map_or(0, |stored| stored.manifest.descriptor().size);
        let tagged = Tagged {
            digest,
            size,
            pulled_at,
        };
        let tags = &mut self.contents.tags;
        tags.insert(name, tagged);
        while tags.len() > TAGS_MAX {
            let oldest = tags.iter().min_by_key(|(_, tagged)| tagged.pulled_at);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            tags.remove(&oldest);
        }
        self.save()
    }

    /// Writes the index, and removes the files that it does not list.
    fn save(&self) -> Result<(), StoreError> {
        if !self.folder.is_kept() {
            return Ok(());
        }
        self.folder.write_index(&index::text(&self.contents))?;
        let descriptors = self
            .contents
            .artifacts
            .values()
            .flat_map(Stored::descriptors);
        let listed: BTreeSet<Digest> = descriptors.map(|descriptor| descriptor.digest).collect();
        self.folder.retain(&listed)
    }
}

/// Returns `REGISTRY/REPOSITORY:TAG` of a reference with a tag.
fn tag_name(reference: &Reference) -> Option<String> {
    let tag = reference.tag()?;
    Some(format!("{}:{tag}", reference.name()))
}

/// Returns the size of a folder with these contents and further ones, while its index is replaced.
fn size(contents: &Contents, further: impl Iterator<Item = Descriptor>) -> u64 {
    let descriptors = contents.artifacts.values().flat_map(Stored::descriptors);
    let sizes: BTreeMap<Digest, u64> = descriptors
        .chain(further)
        .map(|descriptor| (descriptor.digest, descriptor.size))
        .collect();
    let index = u64::try_from(index::text(contents).len()).unwrap_or(u64::MAX);
    let own = files::OVERHEAD.saturating_add(index.saturating_mul(2));
    sizes.into_values().fold(own, u64::saturating_add)
}
