//! The redb database behind the store; only this file and `tables` use redb.
//!
//! Redb panics on some damaged pages instead of returning an error, so every use of it is behind [`guarded`].

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{
    Builder, DatabaseError, ReadTransaction, ReadableDatabase, StorageBackend, TableHandle,
};
use serde::de::DeserializeOwned;

use super::directory::io_error;
use super::error::StoreError;
use super::format::{self, Changes, FORMAT, Identity, Meta, Remembered};
use super::tables::{
    CODE, DECISIONS, ENTRIES, FILE, Fault, GENERATION, LABELS, LIVES, LOADED, MEMBERS, META, Named,
    OWN, SOURCES, by_node, lines, put, put_lines, read, sources,
};
use edge_cache_core::text;
use edge_cache_gossip::{RememberedMembers, UsedLives};

#[cfg(test)]
mod power_cuts;

/// The size of redb's page cache. The content is read once, at the start.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// An open database file.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    inner: redb::Database,
}

/// The changes of one transaction.
#[derive(Debug)]
pub(super) enum Write<'a> {
    Meta(&'a Meta),
    /// Lines of a snapshot.
    Lines(&'a str),
    Changes(&'a Changes),
    Generation(u64),
    Members(&'a RememberedMembers),
    Lives(&'a UsedLives),
    CodeDigest {
        name: &'a str,
        digest: [u8; 32],
        /// The files that remain: digests of all others are removed.
        names: &'a BTreeSet<String>,
    },
}

/// Creates a file and writes to it.
pub(super) fn create(path: &Path, writes: &[Write<'_>]) -> Result<(), StoreError> {
    let database = guarded(path, || {
        let inner = builder()
            .create(path)
            .map_err(|error| opening(path, error))?;
        Ok(Database {
            path: path.to_path_buf(),
            inner,
        })
    })?;
    writes.iter().try_for_each(|write| database.write(write))
}

/// Creates a database in memory, writes to it, and checks every value as [`open`] does. `path` is for errors.
pub(super) fn create_in_memory(
    path: &Path,
    identity: &Identity,
    writes: &[Write<'_>],
) -> Result<(Database, Remembered), StoreError> {
    let inner = guarded(path, || {
        let created = builder().create_with_backend(InMemoryBackend::new());
        created.map_err(|error| opening(path, error))
    })?;
    let database = Database {
        path: path.to_path_buf(),
        inner,
    };
    writes.iter().try_for_each(|write| database.write(write))?;
    let remembered = guarded(path, || content(&database.inner, path, identity))?;
    Ok((database, remembered))
}

/// Opens a file, checks every value, and returns its content.
pub(super) fn open(path: &Path, identity: &Identity) -> Result<(Database, Remembered), StoreError> {
    let remembered = guarded(path, || inspect(path, identity))?;
    let inner = guarded(path, || {
        builder().open(path).map_err(|error| opening(path, error))
    })?;
    let database = Database {
        path: path.to_path_buf(),
        inner,
    };
    Ok((database, remembered))
}

/// Checks every value of a file, and that this process may write it.
pub(super) fn look(path: &Path, identity: &Identity) -> Result<(), StoreError> {
    guarded(path, || inspect(path, identity))?;
    let opened = fs::File::options().read(true).write(true).open(path);
    opened.map(drop).map_err(io_error("open", path))
}

/// The generation and the lives of gossip that a file has used, as far as they can be read.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) generation: Option<u64>,
    pub(super) lives: Option<UsedLives>,
}

/// Reads what a file of any format has used, and leaves the file as it is. A damaged file says as much as can be read.
pub(super) fn used(path: &Path, identity: &Identity) -> Result<Used, StoreError> {
    let used = guarded(path, || {
        let inner = copy(path, &builder())?;
        check_owner(path, &meta(&inner, path)?, identity)?;
        Ok(Used {
            generation: intact(&inner, path, GENERATION),
            lives: intact(&inner, path, LIVES),
        })
    });
    match used {
        Err(StoreError::Damaged { .. }) => Ok(Used::default()),
        used => used,
    }
}

/// Reads a value of [`META`], if it is there and undamaged.
fn intact<T: DeserializeOwned>(database: &redb::Database, path: &Path, key: &str) -> Option<T> {
    let value = guarded(path, || {
        read(database, META, key).map_err(|fault| damaged(path, &fault))
    });
    value.ok().flatten()
}

impl Database {
    pub(super) fn generation(&self) -> Result<u64, StoreError> {
        self.read(META, GENERATION).map(Option::unwrap_or_default)
    }

    pub(super) fn lives(&self) -> Result<UsedLives, StoreError> {
        self.read(META, LIVES).map(Option::unwrap_or_default)
    }

    pub(super) fn members(&self) -> Result<RememberedMembers, StoreError> {
        self.read(META, MEMBERS).map(Option::unwrap_or_default)
    }

    /// Returns the content of this moment, which later writes do not change.
    pub(super) fn freeze(&self) -> Result<Frozen, StoreError> {
        let transaction = guarded(&self.path, || {
            let begun = self.inner.begin_read();
            begun.map_err(|error| StoreError::Failed(clean(&error.to_string())))
        })?;
        Ok(Frozen {
            path: self.path.clone(),
            transaction,
        })
    }

    /// Returns the digest of a compiled-code file.
    pub(super) fn code_digest(&self, name: &str) -> Result<Option<[u8; 32]>, StoreError> {
        self.read(CODE, name)
    }

    fn read<T: DeserializeOwned>(&self, table: Named, key: &str) -> Result<Option<T>, StoreError> {
        guarded(&self.path, || {
            read(&self.inner, table, key).map_err(|fault| damaged(&self.path, &fault))
        })
    }

    pub(super) fn write(&self, write: &Write<'_>) -> Result<(), StoreError> {
        guarded(&self.path, || {
            self.transact(write)
                .map_err(|error| StoreError::Failed(clean(&error.to_string())))
        })
    }

    fn transact(&self, write: &Write<'_>) -> Result<(), Fault> {
        let transaction = self.inner.begin_write()?;
        match write {
            Write::Meta(meta) => put(&transaction, META, FILE, meta)?,
            Write::Lines(lines) => put_lines(&transaction, lines)?,
            Write::Generation(generation) => put(&transaction, META, GENERATION, generation)?,
            Write::Members(members) => put(&transaction, META, MEMBERS, members)?,
            Write::Lives(lives) => put(&transaction, META, LIVES, lives)?,
            Write::CodeDigest {
                name,
                digest,
                names,
            } => {
                put(&transaction, CODE, name, digest)?;
                let mut table = transaction.open_table(CODE)?;
                table.retain(|name, _| names.contains(name))?;
            }
            Write::Changes(changes) => {
                let mut table = transaction.open_table(ENTRIES)?;
                for entry in &changes.put {
                    let value = format::seal_entry(ENTRIES.name(), entry)?;
                    table.insert(entry.node.node_id, value.as_slice())?;
                }
                for node_id in &changes.remove {
                    table.remove(node_id)?;
                }
                drop(table);
                if !changes.decisions.is_empty() || !changes.forget.is_empty() {
                    let mut table = transaction.open_table(DECISIONS)?;
                    for node_id in &changes.forget {
                        table.remove(node_id)?;
                    }
                    for effective in &changes.decisions {
                        let value = format::seal_decision(DECISIONS.name(), effective)?;
                        table.insert(effective.decision.node_id, value.as_slice())?;
                    }
                }
                for (source, counters) in &changes.sources {
                    let key = source.to_string();
                    match counters {
                        Some(counters) => put(&transaction, SOURCES, &key, counters)?,
                        None => drop(transaction.open_table(SOURCES)?.remove(&*key)?),
                    }
                }
                if let Some(labels) = &changes.own_labels {
                    put(&transaction, LABELS, OWN, labels)?;
                }
                if let Some(loaded) = &changes.loaded {
                    put(&transaction, META, LOADED, loaded)?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// The content of a database at one moment.
pub(super) struct Frozen {
    path: PathBuf,
    transaction: ReadTransaction,
}

impl Frozen {
    /// Returns a line for each value, as a snapshot has it.
    pub(super) fn lines(&self) -> Result<String, StoreError> {
        guarded(&self.path, || {
            lines(&self.transaction).map_err(|fault| damaged(&self.path, &fault))
        })
    }
}

/// Reads the content of a file, and checks every value.
fn inspect(path: &Path, identity: &Identity) -> Result<Remembered, StoreError> {
    let copy = copy(path, builder().set_check_integrity_on_open(true))?;
    content(&copy, path, identity)
}

/// Copies a file to memory, so that redb repairs nothing on the disk.
fn copy(path: &Path, builder: &Builder) -> Result<redb::Database, StoreError> {
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    let copy = InMemoryBackend::new();
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    copy.set_len(length)
        .and_then(|()| copy.write(0, &bytes))
        .map_err(|error| StoreError::Failed(clean(&error.to_string())))?;
    if bytes.is_empty() {
        return Err(damaged(path, &"it is empty"));
    }
    builder
        .create_with_backend(copy)
        .map_err(|error| damaged(path, &error))
}

fn content(
    database: &redb::Database,
    path: &Path,
    identity: &Identity,
) -> Result<Remembered, StoreError> {
    let broken = |fault: Fault| damaged(path, &fault);
    let meta = meta(database, path)?;
    if meta.format > FORMAT {
        return Err(StoreError::Newer {
            path: path.to_path_buf(),
            found: meta.format,
            supported: FORMAT,
        });
    }
    check_owner(path, &meta, identity)?;
    read::<u64>(database, META, GENERATION).map_err(broken)?;
    read::<RememberedMembers>(database, META, MEMBERS).map_err(broken)?;
    read::<UsedLives>(database, META, LIVES).map_err(broken)?;
    let mut ignored = Vec::new();
    let entries = by_node(database, ENTRIES, format::open_entry, &mut ignored).map_err(broken)?;
    let decisions =
        by_node(database, DECISIONS, format::open_decision, &mut ignored).map_err(broken)?;
    if let Some(first) = ignored.first() {
        tracing::error!(
            values = ignored.len(),
            first,
            "values of the store break a bound and are ignored"
        );
    }
    Ok(Remembered {
        entries,
        decisions,
        sources: sources(database).map_err(broken)?,
        out_of_bounds: ignored.len(),
        loaded: read(database, META, LOADED)
            .map_err(broken)?
            .unwrap_or_default(),
        own_labels: read(database, LABELS, OWN)
            .map_err(broken)?
            .unwrap_or_default(),
    })
}

fn meta(database: &redb::Database, path: &Path) -> Result<Meta, StoreError> {
    let meta = read(database, META, FILE).map_err(|fault| damaged(path, &fault))?;
    meta.ok_or_else(|| damaged(path, &"it does not say whose it is"))
}

fn check_owner(path: &Path, meta: &Meta, identity: &Identity) -> Result<(), StoreError> {
    if meta.identity == *identity {
        return Ok(());
    }
    Err(StoreError::Foreign {
        path: path.to_path_buf(),
        found: meta.identity.owner(),
        expected: identity.owner(),
    })
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn opening(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse {
            path: path.to_path_buf(),
        },
        DatabaseError::Storage(redb::StorageError::Io(source)) => io_error("open", path)(source),
        error => damaged(path, &error),
    }
}

fn damaged(path: &Path, reason: &dyn Display) -> StoreError {
    StoreError::Damaged {
        path: path.to_path_buf(),
        reason: clean(&reason.to_string()),
    }
}

fn clean(reason: &str) -> String {
    text::clean(reason, text::ERROR_BYTES_MAX)
}

/// Runs `run` and turns a panic of redb into an error.
fn guarded<T>(path: &Path, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("an inner check failed");
        Err(damaged(path, &reason))
    })
}
