//! The durable state: entries, effective decisions, counters of sources, the labels last wanted, gossip's memory and
//! code digests.
//!
//! The state is one file, `registry.redb`, in a directory that one agent locks. A batch of changes is one transaction
//! with one sync. Opening reads a copy in memory first and checks every value, so a file that is damaged, of a newer
//! format or another agent's stays unchanged.
//!
//! A snapshot is a copy of the content in a file of its own (`snapshot`), from which a directory is restored.
//!
//! Never: decisions, calls of the plugin. Only `database` and `tables` use redb.

mod database;
mod directory;
mod error;
mod format;
mod snapshot;
mod tables;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::database::{Database, Write};
use self::directory::Directory;
use self::format::{FORMAT, Meta};
use edge_cache_core::labels::Labels;
use edge_cache_gossip::{GossipMemory, MemoryError, RememberedMembers, UsedLives};
use edge_cache_sandbox::{CodeCache, Digests};

pub use self::error::StoreError;
pub use self::format::Identity;
pub(crate) use self::format::{Changes, Remembered};
pub use self::snapshot::{SnapshotError, SnapshotOrigin, SnapshotPlugin, StoreSnapshot};

/// The durable state of one agent. Cheap to clone; dropping the last clone unlocks the directory.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: Directory,
    identity: Identity,
    /// `None` after a failure until the file is opened again: redb returns only errors from then on.
    database: Mutex<Option<Database>>,
    /// The content when it was opened, until the registry takes it.
    remembered: Mutex<Option<Remembered>>,
}

impl Store {
    /// Opens the store of `identity` in `directory`. Creates both where they are missing.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`] but `Closed`; an existing file is unchanged then.
    pub fn open(directory: &Path, identity: Identity) -> Result<Self, StoreError> {
        let directory = Directory::lock(directory)?;
        let file = directory.file();
        if directory::is_missing(&file)? {
            let meta = Meta {
                format: FORMAT,
                identity: identity.clone(),
            };
            directory.create(|fresh| database::create(fresh, &[Write::Meta(&meta)]))?;
        }
        let (database, remembered) = database::open(&file, &identity)?;
        Ok(Self {
            inner: Arc::new(Inner {
                directory,
                identity,
                database: Mutex::new(Some(database)),
                remembered: Mutex::new(Some(remembered)),
            }),
        })
    }

    /// Looks whether [`Store::open`] would succeed, and changes nothing. Another look and this one do not disturb each
    /// other; an agent that opens the directory meanwhile finds it in use.
    ///
    /// # Errors
    ///
    /// As for [`Store::open`].
    pub fn look(directory: &Path, identity: &Identity) -> Result<(), StoreError> {
        let Some(directory) = Directory::look(directory)? else {
            return Ok(());
        };
        let file = directory.file();
        if directory::is_missing(&file)? {
            return Ok(());
        }
        database::look(&file, identity)
    }

    /// Returns the size of the store in a data directory, in bytes; none where it cannot be read.
    #[must_use]
    pub fn file_bytes(directory: &Path) -> Option<u64> {
        directory::file_bytes(directory)
    }

    /// Returns the labels that the plugin wanted last for the own node. Empty once a registry has started.
    pub fn own_labels(&self) -> Labels {
        lock(&self.inner.remembered)
            .as_ref()
            .map(|remembered| remembered.own_labels.clone())
            .unwrap_or_default()
    }

    /// Returns a cache for compiled code, in a directory beside the store. The store keeps the digests.
    pub fn code_cache(&self) -> CodeCache {
        CodeCache::new(self.inner.directory.code(), Arc::new(self.clone()))
    }

    /// Returns the owner of the state.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Returns a copy of the content of this moment as a file, which [`StoreSnapshot::parse`] reads. Changes go on
    /// meanwhile. The time grows with the content: call it where blocking does no harm.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], and any error of opening the store again after a failure.
    pub fn snapshot(&self, origin: &SnapshotOrigin) -> Result<Vec<u8>, StoreError> {
        let frozen = {
            let slot = self.opened()?;
            slot.as_ref().ok_or(StoreError::Closed)?.freeze()?
        };
        Ok(snapshot::write(
            &self.inner.identity,
            origin,
            &frozen.lines()?,
        ))
    }

    /// Takes the content when it was opened. Later calls return `None`, because it is no longer current.
    pub(crate) fn take_remembered(&self) -> Option<Remembered> {
        lock(&self.inner.remembered).take()
    }

    /// Locks the database, and opens it first if a failure has closed it. Its content may still lag behind the registry,
    /// which calls [`Store::reopen`] before its next commit.
    fn opened(&self) -> Result<MutexGuard<'_, Option<Database>>, StoreError> {
        let mut slot = lock(&self.inner.database);
        if slot.is_none() {
            let (database, _) = database::open(&self.inner.directory.file(), &self.inner.identity)?;
            *slot = Some(database);
        }
        Ok(slot)
    }

    /// Makes the changes of a batch durable, all or none.
    ///
    /// After an error the store is closed until [`Store::reopen`] succeeds.
    pub(crate) fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        write(&mut lock(&self.inner.database), &Write::Changes(changes))
    }

    /// Opens the file again after a failure and returns its content, which may include the failed commit.
    pub(crate) fn reopen(&self) -> Result<Remembered, StoreError> {
        let mut slot = lock(&self.inner.database);
        // Redb opens a file once, so the broken handle is dropped first.
        *slot = None;
        let (database, remembered) =
            database::open(&self.inner.directory.file(), &self.inner.identity)?;
        *slot = Some(database);
        Ok(remembered)
    }
}

impl GossipMemory for Store {
    fn next_generation(&self, now: u64) -> Result<u64, MemoryError> {
        let mut slot = self.opened()?;
        let database = slot.as_ref().ok_or(StoreError::Closed)?;
        let next = now.max(database.generation()?.saturating_add(1));
        write(&mut slot, &Write::Generation(next))?;
        Ok(next)
    }

    fn lives(&self) -> Result<UsedLives, MemoryError> {
        let slot = self.opened()?;
        Ok(slot.as_ref().ok_or(StoreError::Closed)?.lives()?)
    }

    fn remember_lives(&self, lives: &UsedLives) -> Result<(), MemoryError> {
        let mut slot = self.opened()?;
        write(&mut slot, &Write::Lives(lives))?;
        Ok(())
    }

    fn members(&self) -> Result<RememberedMembers, MemoryError> {
        let slot = self.opened()?;
        Ok(slot.as_ref().ok_or(StoreError::Closed)?.members()?)
    }

    fn remember(&self, members: &RememberedMembers) -> Result<(), MemoryError> {
        let mut slot = self.opened()?;
        write(&mut slot, &Write::Members(members))?;
        Ok(())
    }
}

impl Digests for Store {
    fn get(&self, name: &str) -> Option<[u8; 32]> {
        let slot = lock(&self.inner.database);
        slot.as_ref()?.code_digest(name).ok()?
    }

    fn put(&self, name: &str, digest: [u8; 32], names: &BTreeSet<String>) -> Result<(), String> {
        let digest = Write::CodeDigest {
            name,
            digest,
            names,
        };
        write(&mut lock(&self.inner.database), &digest).map_err(|error| error.to_string())
    }
}

fn write(slot: &mut Option<Database>, write: &Write<'_>) -> Result<(), StoreError> {
    let result = slot.as_ref().ok_or(StoreError::Closed)?.write(write);
    if result.is_err() {
        *slot = None;
    }
    result
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Panics of redb are caught inside the lock, so the value is never half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
