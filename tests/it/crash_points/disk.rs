//! A model of a disk that loses power: names and contents are durable once their directory or file was synced, as POSIX
//! promises, and no sooner.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::trace::Operation;

/// The parts of what is not durable that a disk may have kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Everything: the program was killed.
    All,
    /// Nothing.
    Nothing,
    /// All names, and the first half of the contents.
    Names,
}

impl Kept {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::All, Self::Nothing, Self::Names];
}

/// The names of a directory, now and after a loss of power.
#[derive(Debug, Clone, Default)]
struct Names {
    now: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Directory,
    File(usize),
}

#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

/// A disk with one directory, to which operations are applied one by one.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    root: PathBuf,
    directories: BTreeMap<PathBuf, Names>,
    files: Vec<Content>,
}

impl Disk {
    /// Returns a disk on which all that is in a directory now is durable.
    pub(super) fn of(root: &Path) -> Result<Self> {
        let mut disk = Self {
            root: root.to_path_buf(),
            directories: BTreeMap::new(),
            files: Vec::new(),
        };
        disk.read(root)?;
        Ok(disk)
    }

    fn read(&mut self, directory: &Path) -> Result<()> {
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let entry = if path.is_dir() {
                self.read(&path)?;
                Entry::Directory
            } else {
                let now = fs::read(&path)?;
                let durable = now.clone();
                self.files.push(Content { now, durable });
                Entry::File(self.files.len() - 1)
            };
            names.insert(path, entry);
        }
        let (now, durable) = (names.clone(), names);
        let names = Names { now, durable };
        self.directories.insert(directory.to_path_buf(), names);
        Ok(())
    }

    /// Applies an operation.
    pub(super) fn apply(&mut self, operation: &Operation) -> Result<()> {
        match operation {
            Operation::Said(_) => {}
            Operation::Create(path) => match self.entry(path) {
                Some(Entry::File(file)) => self.files[file].now.clear(),
                Some(Entry::Directory) => bail!("{} is a directory", path.display()),
                None => {
                    self.files.push(Content::default());
                    let file = Entry::File(self.files.len() - 1);
                    self.name(path, Some(file))?;
                }
            },
            Operation::CreateMissing(path) if self.entry(path).is_some() => {}
            Operation::CreateMissing(path) => self.apply(&Operation::Create(path.clone()))?,
            Operation::Write(path, offset, bytes) => {
                let content = self.file(path)?;
                let offset = offset.unwrap_or(content.len());
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[offset..end].copy_from_slice(bytes);
            }
            Operation::Truncate(path, length) => self.file(path)?.resize(*length, 0),
            Operation::Rename(from, to) => {
                let entry = self.entry(from);
                ensure!(matches!(entry, Some(Entry::File(_))), "no file is renamed");
                self.name(from, None)?;
                self.name(to, entry)?;
            }
            Operation::Link(from, to) => {
                let entry = self.entry(from).context("no file is linked")?;
                self.name(to, Some(entry))?;
            }
            Operation::Remove(path) => self.name(path, None)?,
            Operation::MakeDirectory(path) => {
                self.name(path, Some(Entry::Directory))?;
                self.directories.insert(path.clone(), Names::default());
            }
            Operation::Sync(path) => match self.directories.get_mut(path) {
                Some(names) => names.durable.clone_from(&names.now),
                None => {
                    let Some(Entry::File(file)) = self.entry(path) else {
                        bail!("{} is not there", path.display());
                    };
                    let content = &mut self.files[file];
                    content.durable.clone_from(&content.now);
                }
            },
        }
        Ok(())
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        let names = self.directories.get(path.parent()?)?;
        names.now.get(path).copied()
    }

    fn name(&mut self, path: &Path, entry: Option<Entry>) -> Result<()> {
        let parent = path
            .parent()
            .and_then(|parent| self.directories.get_mut(parent));
        let names = &mut parent.context("its directory is not there")?.now;
        match entry {
            Some(entry) => names.insert(path.to_path_buf(), entry),
            None => names.remove(path),
        };
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<&mut Vec<u8>> {
        match self.entry(path) {
            Some(Entry::File(file)) => Ok(&mut self.files[file].now),
            _ => bail!("{} is no file", path.display()),
        }
    }

    /// Returns the files after a kept, by their paths below the root, and the directories.
    pub(super) fn after(&self, kept: Kept) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        self.collect(&self.root, kept, &mut found);
        found
    }

    fn collect(&self, at: &Path, kept: Kept, found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
        let names = &self.directories[at];
        let names = match kept {
            Kept::Nothing => &names.durable,
            Kept::All | Kept::Names => &names.now,
        };
        for (path, entry) in names {
            let below = path.strip_prefix(&self.root).unwrap_or(path).to_path_buf();
            match entry {
                Entry::Directory => {
                    found.insert(below, None);
                    self.collect(path, kept, found);
                }
                Entry::File(file) => {
                    found.insert(below, Some(self.files[*file].after(kept)));
                }
            }
        }
    }

    /// Writes what is there after a crash into an empty directory.
    pub(super) fn write_after(&self, kept: Kept, into: &Path) -> Result<()> {
        for (path, content) in self.after(kept) {
            let path = into.join(path);
            match content {
                Some(content) => fs::write(path, content)?,
                None => fs::create_dir(path)?,
            }
        }
        Ok(())
    }
}

impl Content {
    fn after(&self, kept: Kept) -> Vec<u8> {
        let (now, durable) = (&self.now, &self.durable);
        match kept {
            Kept::All => now.clone(),
            Kept::Nothing => durable.clone(),
            Kept::Names if now == durable => now.clone(),
            Kept::Names => {
                let half = now.len() / 2;
                let rest = durable.get(half..).unwrap_or_default();
                [&now[..half], rest].concat()
            }
        }
    }
}
