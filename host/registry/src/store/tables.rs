//! The tables of the database, and their values within transactions.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    TableHandle, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::format::{self, ValueError};
use edge_cache_core::{EdgeCacheStats, NodeId, SourceId};

/// An error of redb, or a fault in a value.
pub(super) type Fault = Box<dyn Error + Send + Sync>;

/// A table with names as keys.
pub(super) type Named = TableDefinition<'static, &'static str, &'static [u8]>;

/// Node id to entry.
pub(super) const ENTRIES: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("entries");
/// Node id to the effective decision.
pub(super) const DECISIONS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("records");
/// A source, as `NODE/NAME`, to its last counters.
pub(super) const SOURCES: Named = TableDefinition::new("sources");
/// `own` to the labels that the plugin wanted last for the own node.
pub(super) const LABELS: Named = TableDefinition::new("labels");
/// `file` to `Meta`, `generation` to the last gossip generation, `lives` to `UsedLives`, `members` to the known members,
/// `loaded` to the policies of plugins that have loaded the entries.
pub(super) const META: Named = TableDefinition::new("meta");
/// The tables with node ids as keys that a snapshot has.
const BY_NODE: [TableDefinition<'static, u64, &'static [u8]>; 2] = [ENTRIES, DECISIONS];
/// The tables with names as keys that a snapshot has.
const BY_NAME: [Named; 3] = [SOURCES, LABELS, META];
/// The name of a compiled-code file to its digest.
pub(super) const CODE: Named = TableDefinition::new("code");

pub(super) const OWN: &str = "own";
pub(super) const FILE: &str = "file";
pub(super) const GENERATION: &str = "generation";
pub(super) const MEMBERS: &str = "members";
pub(super) const LIVES: &str = "lives";
pub(super) const LOADED: &str = "loaded";

/// Reads all values of a table with node ids as keys. Values that break a bound are left out, and described in
/// `ignored`.
pub(super) fn by_node<T>(
    database: &redb::Database,
    table: TableDefinition<'static, u64, &'static [u8]>,
    open: fn(&str, NodeId, &[u8]) -> Result<T, ValueError>,
    ignored: &mut Vec<String>,
) -> Result<BTreeMap<NodeId, T>, Fault> {
    let name = table.name();
    let Some(table) = open_table(&database.begin_read()?, table)? else {
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
pub(super) fn sources(
    database: &redb::Database,
) -> Result<BTreeMap<SourceId, EdgeCacheStats>, Fault> {
    let Some(table) = open_table(&database.begin_read()?, SOURCES)? else {
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

pub(super) fn read<T: DeserializeOwned>(
    database: &redb::Database,
    table: Named,
    key: &str,
) -> Result<Option<T>, Fault> {
    let name = table.name();
    let Some(table) = open_table(&database.begin_read()?, table)? else {
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
    transaction: &ReadTransaction,
    table: TableDefinition<'static, K, &'static [u8]>,
) -> Result<Option<ReadOnlyTable<K, &'static [u8]>>, Fault> {
    match transaction.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn put(
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

/// Returns a line for each value, with table, key and payload. What belongs to the file itself is left out: its
/// description, and the digests of compiled code.
pub(super) fn lines(transaction: &ReadTransaction) -> Result<String, Fault> {
    let mut lines = String::new();
    for table in BY_NODE {
        let name = table.name();
        let Some(table) = open_table(transaction, table)? else {
            continue;
        };
        for item in table.iter()? {
            let (key, value) = item?;
            let key = key.value();
            let payload = format::payload(name, &key.to_le_bytes(), value.value());
            push_line(&mut lines, name, &key.to_string(), payload)?;
        }
    }
    for table in BY_NAME {
        let name = table.name();
        let Some(table) = open_table(transaction, table)? else {
            continue;
        };
        for item in table.iter()? {
            let (key, value) = item?;
            let key = key.value();
            if (name, key) == (META.name(), FILE) {
                continue;
            }
            let payload = format::payload(name, key.as_bytes(), value.value());
            push_line(&mut lines, name, key, payload)?;
        }
    }
    Ok(lines)
}

fn push_line(
    lines: &mut String,
    table: &str,
    key: &str,
    payload: Result<&[u8], ValueError>,
) -> Result<(), Fault> {
    let payload = payload.map_err(|reason| format!("`{key}` of `{table}` has {reason}"))?;
    let payload = std::str::from_utf8(payload)?;
    lines.extend([table, " ", key, " ", payload, "\n"]);
    Ok(())
}

/// Puts the values of lines that [`lines`] has returned.
pub(super) fn put_lines(transaction: &WriteTransaction, lines: &str) -> Result<(), Fault> {
    let mut lines = lines.lines();
    lines.try_for_each(|line| put_line(transaction, line))
}

/// Returns the lines without those about the node whose store they are of: its labels, its lives and its peers.
pub(super) fn of_any_node(lines: &str) -> String {
    let tables = [ENTRIES.name(), DECISIONS.name(), SOURCES.name()];
    let is_kept = |line: &&str| {
        let mut words = line.splitn(3, ' ');
        let (table, key) = (words.next(), words.next());
        table.is_some_and(|table| tables.contains(&table))
            || (table, key) == (Some(META.name()), Some(LOADED))
    };
    let kept = lines.lines().filter(is_kept);
    kept.flat_map(|line| [line, "\n"]).collect()
}

fn put_line(transaction: &WriteTransaction, line: &str) -> Result<(), Fault> {
    let mut parts = line.splitn(3, ' ');
    let (Some(table), Some(key), Some(payload)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("a line is no value".into());
    };
    let payload = payload.as_bytes();
    if let Some(by_node) = BY_NODE.iter().find(|it| it.name() == table) {
        let node_id: u64 = key.parse()?;
        let value = format::seal_payload(table, &node_id.to_le_bytes(), payload);
        let mut by_node = transaction.open_table(*by_node)?;
        by_node.insert(node_id, value.as_slice())?;
    } else if let Some(by_name) = BY_NAME.iter().find(|it| it.name() == table) {
        let value = format::seal_payload(table, key.as_bytes(), payload);
        let mut by_name = transaction.open_table(*by_name)?;
        by_name.insert(key, value.as_slice())?;
    } else {
        return Err("a line has an unknown table".into());
    }
    Ok(())
}
