//! The redb database behind the store; no other file uses redb.
//!
//! Redb panics on some damaged pages instead of returning an error, so every use of it is behind [`guarded`].

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{
    Builder, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, TableError, TableHandle, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::directory::io_error;
use super::error::StoreError;
use super::format::{self, Changes, FORMAT, Identity, Meta, Remembered, ValueError};
use edge_cache_core::text;
use edge_cache_core::{EdgeCacheStats, NodeId, SourceId};
use edge_cache_gossip::{RememberedMembers, UsedLives};

/// Node id to entry.
const ENTRIES: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("entries");
/// Node id to the effective decision.
const DECISIONS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("records");
/// A source, as `NODE/NAME`, to its last counters.
const SOURCES: Named = TableDefinition::new("sources");
/// `own` to the labels that the plugin wanted last for the own node.
const LABELS: Named = TableDefinition::new("labels");
/// `file` to [`Meta`], `generation` to the last gossip generation, `lives` to [`UsedLives`],
/// `members` to the known members, `loaded` to the
/// policies of plugins that have loaded the entries.
const META: Named = TableDefinition::new("meta");
/// The name of a compiled-code file to its digest.
const CODE: Named = TableDefinition::new("code");

const OWN: &str = "own";
const FILE: &str = "file";
const GENERATION: &str = "generation";
const MEMBERS: &str = "members";
const LIVES: &str = "lives";
const LOADED: &str = "loaded";

/// The size of redb's page cache. The content is read once, at the start.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// An error of redb, or a fault in a value.
type Fault = Box<dyn Error + Send + Sync>;

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

/// Creates a file that holds only its meta data.
pub(super) fn create(path: &Path, meta: &Meta) -> Result<(), StoreError> {
    let database = guarded(path, || {
        let inner = builder()
            .create(path)
            .map_err(|error| opening(path, error))?;
        Ok(Database {
            path: path.to_path_buf(),
            inner,
        })
    })?;
    database.write(&Write::Meta(meta))
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

/// A table with names as keys.
type Named = TableDefinition<'static, &'static str, &'static [u8]>;

fn put(
    transaction: &WriteTransaction,
    table: Named,
    key: &str,
    payload: &impl Serialize,
) -> Result<(), Fault> {
    let value = format::seal(table.name(), key.as_bytes(), payload)?;
    transaction
        .open_table(table)?
        .insert(key, value.as_slice())?;
    Ok(())
}

/// Reads the content of a file from a copy in memory, so that redb repairs nothing on the disk.
fn inspect(path: &Path, identity: &Identity) -> Result<Remembered, StoreError> {
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    let copy = InMemoryBackend::new();
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    copy.set_len(length)
        .and_then(|()| copy.write(0, &bytes))
        .map_err(|error| StoreError::Failed(clean(&error.to_string())))?;
    if bytes.is_empty() {
        return Err(damaged(path, &"it is empty"));
    }
    let broken = |fault: Fault| damaged(path, &fault);
    let database = builder()
        .set_check_integrity_on_open(true)
        .create_with_backend(copy)
        .map_err(|error| damaged(path, &error))?;

    let meta: Meta = read(&database, META, FILE)
        .map_err(broken)?
        .ok_or_else(|| damaged(path, &"it does not say whose it is"))?;
    if meta.format > FORMAT {
        return Err(StoreError::Newer {
            path: path.to_path_buf(),
            found: meta.format,
            supported: FORMAT,
        });
    }
    if meta.identity != *identity {
        return Err(StoreError::Foreign {
            path: path.to_path_buf(),
            found: meta.identity.owner(),
            expected: identity.owner(),
        });
    }
    read::<u64>(&database, META, GENERATION).map_err(broken)?;
    read::<RememberedMembers>(&database, META, MEMBERS).map_err(broken)?;
    read::<UsedLives>(&database, META, LIVES).map_err(broken)?;
    let mut ignored = Vec::new();
    let entries = by_node(&database, ENTRIES, format::open_entry, &mut ignored).map_err(broken)?;
    let decisions =
        by_node(&database, DECISIONS, format::open_decision, &mut ignored).map_err(broken)?;
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
        sources: sources(&database).map_err(broken)?,
        out_of_bounds: ignored.len(),
        loaded: read(&database, META, LOADED)
            .map_err(broken)?
            .unwrap_or_default(),
        own_labels: read(&database, LABELS, OWN)
            .map_err(broken)?
            .unwrap_or_default(),
    })
}

/// Reads all values of a table with node ids as keys. Values that break a bound are left out, and described in
/// `ignored`.
fn by_node<T>(
    database: &redb::Database,
    table: TableDefinition<'static, u64, &'static [u8]>,
    open: fn(&str, NodeId, &[u8]) -> Result<T, ValueError>,
    ignored: &mut Vec<String>,
) -> Result<BTreeMap<NodeId, T>, Fault> {
    let name = table.name();
    let Some(table) = open_table(database, table)? else {
        return Ok(BTreeMap::new());
    };
    let mut values = BTreeMap::new();
    for item in table.iter()? {
        let (key, value) = item?;
        let node_id = key.value();
        let described = |reason| format!("node {node_id} of `{name}` has {reason}");
        match open(name, node_id, value.value()) {
            Ok(value) => drop(values.insert(node_id, value)),
            Err(reason) if reason.is_bound() => ignored.push(described(reason)),
            Err(reason) => return Err(described(reason).into()),
        }
    }
    Ok(values)
}

/// Reads the last counters of all sources.
fn sources(database: &redb::Database) -> Result<BTreeMap<SourceId, EdgeCacheStats>, Fault> {
    let Some(table) = open_table(database, SOURCES)? else {
        return Ok(BTreeMap::new());
    };
    let mut sources = BTreeMap::new();
    for item in table.iter()? {
        let (key, value) = item?;
        let key = key.value();
        let broken = |reason: &dyn Display| format!("source {key:?} has {reason}");
        let id = key.parse().map_err(|reason| broken(&reason))?;
        let counters = format::open(SOURCES.name(), key.as_bytes(), value.value());
        sources.insert(id, counters.map_err(|reason| broken(&reason))?);
    }
    Ok(sources)
}

fn read<T: DeserializeOwned>(
    database: &redb::Database,
    table: Named,
    key: &str,
) -> Result<Option<T>, Fault> {
    let name = table.name();
    let Some(table) = open_table(database, table)? else {
        return Ok(None);
    };
    let Some(value) = table.get(key)? else {
        return Ok(None);
    };
    let payload = format::open(name, key.as_bytes(), value.value())
        .map_err(|reason| format!("`{key}` of `{name}` has {reason}"))?;
    Ok(Some(payload))
}

/// Opens a table for reading, if it exists.
fn open_table<K: redb::Key>(
    database: &redb::Database,
    table: TableDefinition<'static, K, &'static [u8]>,
) -> Result<Option<ReadOnlyTable<K, &'static [u8]>>, Fault> {
    match database.begin_read()?.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
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
