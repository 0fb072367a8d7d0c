//! The files of a store.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::StoreError;
use crate::digest::Digest;
use crate::manifest::Descriptor;

const LAYOUT_FILE: &str = "oci-layout";
const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX_FILE: &str = "index.json";
const BLOBS: &str = "blobs";
const SHA256: &str = "sha256";
/// A file that is being written, in the folder of its final name.
const TEMPORARY: &str = ".tmp";
/// The directories whose names are made durable when a store is opened: `blobs`, the store's own, and the one that it is in.
const NAMES_SYNCED: usize = 3;
/// The largest index: ten times what the largest number of plugins and tags takes.
const INDEX_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The size of what every store has, beside index and contents.
pub(super) const OVERHEAD: u64 = LAYOUT.len() as u64;

/// The use of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Reading and writing.
    Keep,
    /// Reading only: writing and removing do nothing.
    Look,
}

/// The folder of a store.
#[derive(Debug)]
pub(super) struct Folder {
    directory: PathBuf,
    blobs: PathBuf,
    used: Use,
}

impl Folder {
    /// Opens or makes the folder. A folder with any file that is not of a store is refused.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let folder = Self {
            directory: directory.to_path_buf(),
            blobs: directory.join(BLOBS).join(SHA256),
            used: Use::Keep,
        };
        make(directory)?;
        refuse_foreign(directory)?;
        let layout = directory.join(LAYOUT_FILE);
        match fs::read(&layout) {
            Ok(text) if text == LAYOUT.as_bytes() => {}
            Ok(_) => return Err(StoreError::Foreign(layout)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // The first file of a store: without it, there can be nothing else.
                refuse_others(directory, |name| name == TEMPORARY)?;
                write(&layout, LAYOUT.as_bytes())?;
                sync(directory)?;
            }
            Err(source) => return Err(disk(&layout, source)),
        }
        make(&folder.blobs)?;
        let parents = folder.blobs.ancestors().skip(1).take(NAMES_SYNCED);
        parents
            .filter(|it| *it != Path::new(""))
            .try_for_each(sync)?;
        refuse_others(&directory.join(BLOBS), |name| name == SHA256)?;
        refuse_others(&folder.blobs, |name| {
            name == TEMPORARY || digest(name).is_some()
        })?;
        Ok(folder)
    }

    /// Opens a folder that is only read. Returns none where it is missing or incomplete.
    pub(super) fn look(directory: &Path) -> Result<Option<Self>, StoreError> {
        let folder = Self {
            directory: directory.to_path_buf(),
            blobs: directory.join(BLOBS).join(SHA256),
            used: Use::Look,
        };
        if !directory.exists() {
            return Ok(None);
        }
        refuse_foreign(directory)?;
        let layout = directory.join(LAYOUT_FILE);
        match fs::read(&layout) {
            Ok(text) if text == LAYOUT.as_bytes() => Ok(folder.blobs.is_dir().then_some(folder)),
            Ok(_) => Err(StoreError::Foreign(layout)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(disk(&layout, source)),
        }
    }

    /// Returns whether the folder is written.
    pub(super) fn is_kept(&self) -> bool {
        self.used == Use::Keep
    }

    /// Returns the index, if there is one. One that is too large is cut, and therefore not valid.
    pub(super) fn read_index(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.directory.join(INDEX_FILE);
        let mut text = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(INDEX_BYTES_MAX).read_to_end(&mut text));
        match read {
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(disk(&path, source)),
        }
    }

    /// Replaces the index, after all contents are durable.
    pub(super) fn write_index(&self, text: &[u8]) -> Result<(), StoreError> {
        sync(&self.blobs)?;
        write(&self.directory.join(INDEX_FILE), text)?;
        sync(&self.directory)
    }

    /// Reads and verifies a content. A damaged one is removed.
    pub(super) fn read(&self, descriptor: &Descriptor) -> io::Result<Bytes> {
        let path = self.blobs.join(descriptor.digest.hex());
        let read = || {
            let file = File::open(&path)?;
            let metadata = file.metadata()?;
            let damaged = || io::Error::from(ErrorKind::InvalidData);
            if !metadata.is_file() || metadata.len() != descriptor.size {
                return Err(damaged());
            }
            let mut content = Vec::new();
            file.take(descriptor.size).read_to_end(&mut content)?;
            if Digest::of(&content) != descriptor.digest {
                return Err(damaged());
            }
            Ok(Bytes::from(content))
        };
        let content = read();
        if self.is_kept()
            && content
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::InvalidData)
        {
            // If it stays, it is found damaged again.
            let _ = fs::remove_file(&path);
        }
        content
    }

    /// Writes a content, unless it is there.
    pub(super) fn write(&self, content: &Bytes) -> Result<(), StoreError> {
        let path = self.blobs.join(Digest::of(content).hex());
        let length = u64::try_from(content.len()).ok();
        match fs::metadata(&path) {
            Ok(there) if Some(there.len()) == length => return Ok(()),
            // Damaged: beside its replacement there might be more than the limit.
            Ok(_) => fs::remove_file(&path).map_err(|source| disk(&path, source))?,
            Err(_) => {}
        }
        write(&path, content)
    }

    /// Removes all contents but these.
    pub(super) fn retain(&self, listed: &BTreeSet<Digest>) -> Result<(), StoreError> {
        for name in names(&self.blobs)? {
            if digest(&name).is_none_or(|digest| !listed.contains(&digest)) {
                let path = self.blobs.join(name);
                fs::remove_file(&path).map_err(|source| disk(&path, source))?;
            }
        }
        Ok(())
    }
}

fn make(directory: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(directory)
        .map_err(|source| disk(directory, source))
}

fn refuse_foreign(directory: &Path) -> Result<(), StoreError> {
    let of_store = [LAYOUT_FILE, INDEX_FILE, BLOBS, TEMPORARY];
    refuse_others(directory, |name| of_store.contains(&name))
}

fn refuse_others(directory: &Path, is_known: impl Fn(&str) -> bool) -> Result<(), StoreError> {
    match names(directory)?.into_iter().find(|name| !is_known(name)) {
        Some(other) => Err(StoreError::Foreign(directory.join(other))),
        None => Ok(()),
    }
}

fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let read = || {
        let entries = fs::read_dir(directory)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<io::Result<_>>()
    };
    read().map_err(|source| disk(directory, source))
}

/// Returns the digest that a file of this name has.
fn digest(name: &str) -> Option<Digest> {
    format!("sha256:{name}").parse().ok()
}

/// Writes a file that is there whole or not at all.
fn write(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_file_name(TEMPORARY);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // On a full disk it would take the last space.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|source| disk(path, source))
}

fn sync(directory: &Path) -> Result<(), StoreError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| disk(directory, source))
}

fn disk(path: &Path, source: io::Error) -> StoreError {
    StoreError::Disk {
        path: path.to_path_buf(),
        source,
    }
}
