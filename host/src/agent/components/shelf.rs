//! The component that outlives the process, in the data directory.
//!
//! `kept/which.json` says which one and in whose place, `kept/SHA256.wasm` is its file. Each is durable before the
//! next is written, and the first, which comes last, is what counts: a cut leaves what was kept before, or what is kept
//! now. To keep nothing any more it is enough to remove the directory.
//!
//! A kept component stands in for the one that the settings named when it was kept, and for no other. Who changes
//! what they name has decided later, and the later decision wins.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::UPLOADED;
use crate::agent::cli;
use crate::sandbox::{ComponentFile, PluginConfig};
use crate::{own_file, text};

#[cfg(test)]
mod tests;

const DIRECTORY: &str = "kept";
const WHICH: &str = "which.json";
/// Far more than it takes.
const WHICH_BYTES_MAX: u64 = 4 * 1024;

/// What the settings of an agent name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::agent) struct Named {
    /// The digest of the component.
    pub(super) sha256: [u8; 32],
    /// The digest that the agent is pinned to.
    pin: Option<[u8; 32]>,
}

impl Named {
    pub(super) fn new(component: &ComponentFile, config: &PluginConfig) -> Self {
        Self {
            sha256: *component.sha256(),
            pin: config.sha256,
        }
    }
}

/// Which component is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::agent) struct Kept {
    sha256: Hex,
    /// The component that the settings named then, and the pin.
    in_place_of: Hex,
    pin: Option<Hex>,
}

/// A digest, written in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Hex([u8; 32]);

/// Where a component is kept.
#[derive(Debug, Clone)]
pub(in crate::agent) struct Shelf {
    data: PathBuf,
    directory: PathBuf,
}

/// A component that has just been kept. It stays so where nothing more is said.
#[derive(Debug)]
pub(super) struct Put {
    shelf: Shelf,
    before: Option<Kept>,
    kept: Option<Kept>,
}

impl Put {
    /// Has it stay, and takes away the one before.
    pub(super) fn stand(self) -> Option<Kept> {
        self.shelf.sweep(self.kept.as_ref());
        self.kept
    }

    /// Keeps the one before instead.
    pub(super) fn undo(self) {
        let Self { shelf, before, .. } = self;
        match shelf.point(before.as_ref()) {
            Ok(()) => shelf.sweep(before.as_ref()),
            Err(error) => {
                tracing::error!(%error, "a component that did not take over may be kept");
            }
        }
    }
}

impl Kept {
    fn new(sha256: [u8; 32], in_place_of: Named) -> Self {
        Self {
            sha256: Hex(sha256),
            in_place_of: Hex(in_place_of.sha256),
            pin: in_place_of.pin.map(Hex),
        }
    }

    pub(in crate::agent) fn sha256(&self) -> &[u8; 32] {
        &self.sha256.0
    }

    /// Whether it runs in the place of what the settings name. A pin that has changed since says what may run;
    /// under the one of then, it was let in.
    pub(super) fn stands_in_for(&self, named: Named) -> bool {
        let pin = named.pin.map(Hex);
        let is_let_in = pin.is_none() || pin == self.pin || pin == Some(self.sha256);
        self.in_place_of.0 == named.sha256 && is_let_in
    }
}

impl Shelf {
    pub(in crate::agent) fn of(data: &Path) -> Self {
        Self {
            data: data.to_path_buf(),
            directory: data.join(DIRECTORY),
        }
    }

    /// Which component is kept, if any is; in words, why that can't be said.
    pub(super) fn look(&self) -> Result<Option<Kept>, String> {
        let path = self.directory.join(WHICH);
        let Some(bytes) = own_file::read(&path, WHICH_BYTES_MAX)? else {
            return Ok(None);
        };
        let kept = serde_json::from_slice(&bytes);
        kept.map(Some)
            .map_err(|error| format!("{} is damaged: {error}", path.display()))
    }

    /// The component; in words, why it is not there.
    pub(super) fn take(&self, kept: &Kept, bytes_max: usize) -> Result<ComponentFile, String> {
        let path = self.file(kept.sha256());
        let bytes_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let bytes = own_file::read(&path, bytes_max)?
            .ok_or_else(|| format!("{} is gone", path.display()))?;
        let file = ComponentFile::new(UPLOADED, bytes);
        if file.sha256() == kept.sha256() {
            Ok(file)
        } else {
            Err(format!("{} is not what was kept", path.display()))
        }
    }

    /// Keeps a component in the place of what the settings name; where it is that very one, nothing is kept any
    /// more. After an error what was kept before still is.
    pub(super) fn put(&self, component: &ComponentFile, named: Named) -> io::Result<Put> {
        let kept =
            (*component.sha256() != named.sha256).then(|| Kept::new(*component.sha256(), named));
        let put = Put {
            shelf: self.clone(),
            // What can't be read is not used, and need not be put back.
            before: self.look().ok().flatten(),
            kept,
        };
        if let Err(error) = self.write(component, put.kept.as_ref()) {
            self.sweep(put.before.as_ref());
            return Err(error);
        }
        if let Err(error) = self.point(put.kept.as_ref()) {
            put.undo();
            return Err(error);
        }
        Ok(put)
    }

    /// Writes the file of one that is to be kept.
    fn write(&self, component: &ComponentFile, kept: Option<&Kept>) -> io::Result<()> {
        if kept.is_none() {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(own_file::DIRECTORY_MODE)
            .create(&self.directory)?;
        own_file::sync_directory(&self.data)?;
        own_file::write(&self.file(component.sha256()), component.bytes())?;
        own_file::sync_directory(&self.directory)
    }

    /// Says which of the components there is kept.
    pub(super) fn point(&self, kept: Option<&Kept>) -> io::Result<()> {
        let which = self.directory.join(WHICH);
        match kept {
            Some(kept) => own_file::write(&which, &serde_json::to_vec(kept)?)?,
            None => own_file::remove(&which)?,
        }
        match own_file::sync_directory(&self.directory) {
            // Then there is nothing to make durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        }
    }

    /// Takes away the files of all components but this one.
    fn sweep(&self, kept: Option<&Kept>) {
        let left = kept.map(|kept| self.file(kept.sha256()));
        let files = fs::read_dir(&self.directory).into_iter().flatten();
        for path in files.filter_map(Result::ok).map(|file| file.path()) {
            let is_component = path
                .extension()
                .is_some_and(|end| end == "wasm" || end == "new");
            if !is_component || Some(&path) == left.as_ref() {
                continue;
            }
            if let Err(error) = own_file::remove(&path) {
                tracing::warn!(%error, file = %path.display(), "a component that is not kept takes up room");
            }
        }
    }

    /// The file of a component.
    pub(super) fn file(&self, sha256: &[u8; 32]) -> PathBuf {
        self.directory.join(format!("{}.wasm", text::hex(sha256)))
    }
}

impl From<Hex> for String {
    fn from(Hex(digest): Hex) -> Self {
        text::hex(&digest)
    }
}

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(hex: String) -> Result<Self, String> {
        cli::parse_sha256(&hex).map(Self)
    }
}
