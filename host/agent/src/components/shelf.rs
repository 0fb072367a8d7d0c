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
use crate::cli;
use edge_cache_core::text;
use edge_cache_host::sandbox::trusted_file;
use edge_cache_host::sandbox::{ComponentFile, PluginConfig};

#[cfg(test)]
mod tests;

const DIRECTORY: &str = "kept";
const WHICH: &str = "which.json";
/// Far more than it takes.
const WHICH_BYTES_MAX: u64 = 4 * 1024;

/// What the settings of an agent name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
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
pub(crate) struct Kept {
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
pub(crate) struct Shelf {
    data: PathBuf,
    directory: PathBuf,
}

/// A component that has just been kept. It stays so where nothing more is said.
#[derive(Debug)]
pub(super) struct Put {
    shelf: Shelf,
    /// What said before which one is kept, to the last bit: what is damaged may still be mended.
    before: Option<Vec<u8>>,
    kept: Option<Kept>,
    /// The file, where there was none before.
    added: Option<PathBuf>,
}

impl Put {
    /// Has it stay, and takes away the one before.
    pub(super) fn stand(self) -> Option<Kept> {
        self.shelf.sweep(self.kept.as_ref());
        self.kept
    }

    /// Leaves everything as it was before.
    pub(super) fn undo(self) {
        match self.shelf.say(self.before.as_deref()) {
            Ok(()) => self.take_away(),
            Err(error) => {
                tracing::error!(%error, "a component that did not take over may be kept");
            }
        }
    }

    fn take_away(self) {
        self.added.as_deref().into_iter().for_each(take_away);
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

    pub(crate) fn sha256(&self) -> &[u8; 32] {
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
    pub(crate) fn of(data: &Path) -> Self {
        Self {
            data: data.to_path_buf(),
            directory: data.join(DIRECTORY),
        }
    }

    /// Which component is kept, if any is; in words, why that can't be said.
    pub(super) fn look(&self) -> Result<Option<Kept>, String> {
        let path = self.which();
        let Some(bytes) = self.read(&path, WHICH_BYTES_MAX)? else {
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
        let bytes = self
            .read(&path, bytes_max)?
            .ok_or_else(|| format!("{} is gone", path.display()))?;
        let file = ComponentFile::new(UPLOADED, bytes);
        if file.sha256() == kept.sha256() {
            Ok(file)
        } else {
            Err(format!("{} is not what was kept", path.display()))
        }
    }

    /// What a file here holds, if it is there.
    fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, String> {
        let read = trusted_file::read(path, bytes_max)?;
        if read.is_some() {
            trusted_file::check_directory(&self.directory)?;
        }
        Ok(read)
    }

    /// Keeps a component in the place of what the settings name; where it is that very one, nothing is kept any
    /// more. After an error everything is as it was.
    pub(super) fn put(&self, component: &ComponentFile, named: Named) -> io::Result<Put> {
        let kept =
            (*component.sha256() != named.sha256).then(|| Kept::new(*component.sha256(), named));
        let file = self.file(component.sha256());
        let put = Put {
            shelf: self.clone(),
            // What is not the agent's own is not put back: written by the agent, it would be.
            before: self.read(&self.which(), WHICH_BYTES_MAX).unwrap_or(None),
            kept,
            added: is_missing(&file).then_some(file),
        };
        if let Err(error) = self.write(component, put.kept.as_ref()) {
            put.take_away();
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
            .mode(trusted_file::DIRECTORY_MODE)
            .create(&self.directory)?;
        trusted_file::check_directory(&self.directory).map_err(io::Error::other)?;
        trusted_file::sync_directory(&self.data)?;
        trusted_file::write(&self.file(component.sha256()), component.bytes())?;
        trusted_file::sync_directory(&self.directory)
    }

    /// Says which of the components there is kept.
    pub(super) fn point(&self, kept: Option<&Kept>) -> io::Result<()> {
        let said = kept.map(serde_json::to_vec).transpose()?;
        self.say(said.as_deref())
    }

    fn say(&self, which: Option<&[u8]>) -> io::Result<()> {
        match which {
            Some(bytes) => trusted_file::write(&self.which(), bytes)?,
            None => trusted_file::remove(&self.which())?,
        }
        match trusted_file::sync_directory(&self.directory) {
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
            if is_component && Some(&path) != left.as_ref() {
                take_away(&path);
            }
        }
    }

    /// The file that says which component is kept.
    fn which(&self) -> PathBuf {
        self.directory.join(WHICH)
    }

    /// The file of a component.
    pub(super) fn file(&self, sha256: &[u8; 32]) -> PathBuf {
        self.directory.join(format!("{}.wasm", text::hex(sha256)))
    }
}

fn is_missing(file: &Path) -> bool {
    file.symlink_metadata()
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn take_away(file: &Path) {
    if let Err(error) = trusted_file::remove(file) {
        tracing::warn!(%error, file = %file.display(), "a component that is not kept takes up room");
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
