//! Snapshots: the content of a store in a file of its own, and its way back into a data directory.
//!
//! The first line is `edge-cache-snapshot 1 LENGTH SHA256`: version of the format, length and digest of all bytes behind
//! the line. The second line is JSON and says whose content it is and when it was taken. Each further line is a value of
//! the store: table, key and JSON, divided by one blank. No line is read before length and digest are checked.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::database::{self, Used, Write};
use super::directory::{self, Directory};
use super::error::StoreError;
use super::format::{FORMAT, Identity, Meta, Remembered};
use super::tables::of_any_node;
use edge_cache_core::EdgeCacheNode;
use edge_cache_gossip::{RememberedMembers, UsedLives};

#[cfg(test)]
mod tests;

const MAGIC: &str = "edge-cache-snapshot";
const VERSION: u32 = 1;
/// The longest first line, in bytes.
const HEAD_BYTES_MAX: usize = 128;

/// The time and the agent of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotOrigin {
    /// The time by the agent's clock, in milliseconds since the Unix epoch.
    pub taken_at_ms: u64,
    /// The version of the agent's program.
    pub version: String,
    /// The plugin that ran.
    pub plugin: SnapshotPlugin,
}

/// The plugin that ran when a snapshot was taken. The snapshot does not hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPlugin {
    /// The source: a file or a reference.
    pub source: String,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// The digest of the plugin and its settings.
    pub policy: String,
}

/// The second line of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    #[serde(flatten)]
    meta: Meta,
    #[serde(flatten)]
    origin: SnapshotOrigin,
}

/// A snapshot that was read and checked.
#[derive(Debug)]
pub struct StoreSnapshot {
    about: About,
    lines: String,
    remembered: Remembered,
    generation: u64,
    lives: UsedLives,
    members: RememberedMembers,
}

/// The error of bytes that are no snapshot, or none that can be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The bytes do not begin as a snapshot does.
    #[error("it is no snapshot of an agent")]
    Foreign,
    /// The snapshot has another version.
    #[error(
        "it has version {0}, and this program reads version {VERSION}: use the program that wrote it or a newer one"
    )]
    Version(String),
    /// The snapshot is not what an agent has written.
    #[error("it is damaged: {0}; use another snapshot")]
    Damaged(String),
    /// The content has a newer format than this program knows.
    #[error(
        "its content has format {0}, and this program reads up to {FORMAT}: use the program that wrote it or a newer one"
    )]
    Newer(u32),
}

/// Writes a snapshot of lines.
pub(super) fn write(identity: &Identity, origin: &SnapshotOrigin, lines: &str) -> Vec<u8> {
    let about = About {
        meta: Meta {
            format: FORMAT,
            identity: identity.clone(),
        },
        origin: origin.clone(),
    };
    // Texts and numbers always have a form in JSON.
    let about = serde_json::to_string(&about).unwrap_or_default();
    let body = format!("{about}\n{lines}");
    format!("{}{body}", head(body.as_bytes())).into_bytes()
}

/// Returns the first line for what follows it.
fn head(body: &[u8]) -> String {
    let (length, sha256) = (body.len(), hex::encode(Sha256::digest(body)));
    format!("{MAGIC} {VERSION} {length} {sha256}\n")
}

impl StoreSnapshot {
    /// Reads a snapshot, and checks every value as a start of the agent does.
    ///
    /// # Errors
    ///
    /// Any [`SnapshotError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let damaged = |reason: &str| SnapshotError::Damaged(reason.to_string());
        let rest = bytes.strip_prefix(MAGIC.as_bytes());
        let rest = rest.and_then(|rest| rest.strip_prefix(b" "));
        let rest = rest.ok_or(SnapshotError::Foreign)?;
        let version: Vec<u8> = rest
            .iter()
            .copied()
            .take_while(u8::is_ascii_digit)
            .collect();
        if version != VERSION.to_string().as_bytes() {
            let version = String::from_utf8_lossy(&version).into_owned();
            return Err(match version.len() {
                1..=10 => SnapshotError::Version(version),
                _ => SnapshotError::Foreign,
            });
        }
        let beginning = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
        let end = beginning.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| damaged("its first line is cut"))?;
        let (found, body) = bytes.split_at(end.saturating_add(1));
        if found != head(body).as_bytes() {
            return Err(damaged(
                "its content has another length or digest than its first line says",
            ));
        }
        let body = str::from_utf8(body).map_err(|_| damaged("it is not UTF-8"))?;
        let (about, lines) = body
            .split_once('\n')
            .ok_or_else(|| damaged("it does not say whose it is"))?;
        let about: About = serde_json::from_str(about)
            .map_err(|error| SnapshotError::Damaged(error.to_string()))?;
        if about.meta.format > FORMAT {
            return Err(SnapshotError::Newer(about.meta.format));
        }
        Self::check(about, lines).map_err(|error| match error {
            StoreError::Damaged { reason, .. } | StoreError::Failed(reason) => {
                SnapshotError::Damaged(reason)
            }
            other => SnapshotError::Damaged(other.to_string()),
        })
    }

    fn check(about: About, lines: &str) -> Result<Self, StoreError> {
        let writes = [Write::Lines(lines), Write::Meta(&about.meta)];
        let identity = &about.meta.identity;
        let (database, remembered) =
            database::create_in_memory(Path::new(MAGIC), identity, &writes)?;
        Ok(Self {
            lines: lines.to_string(),
            remembered,
            generation: database.generation()?,
            lives: database.lives()?,
            members: database.members()?,
            about,
        })
    }

    /// Returns whose content it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.about.meta.identity
    }

    /// Returns when it was taken, and by which program.
    #[must_use]
    pub fn origin(&self) -> &SnapshotOrigin {
        &self.about.origin
    }

    /// Returns the last generation of gossip; 0 without one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Iterates over the eligible nodes in ascending order of node id.
    pub fn nodes(&self) -> impl Iterator<Item = &EdgeCacheNode> {
        let entries = self.remembered.entries.values();
        entries.map(|entry| &entry.node)
    }

    /// Returns the number of decisions that enable a node, and of those that disable one.
    #[must_use]
    pub fn decisions(&self) -> (usize, usize) {
        let decisions = &self.remembered.decisions;
        let enabling = decisions.values().filter(|it| it.decision.enables());
        let enabling = enabling.count();
        (enabling, decisions.len().saturating_sub(enabling))
    }

    /// Returns the number of sources of counters.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.remembered.sources.len()
    }

    /// Returns the number of known members, beside the node itself.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members.peers.len()
    }

    /// Makes this the content of a data directory that no agent uses, for the agent `identity`. Returns the new name of
    /// the file that was there, which is kept; it may be damaged, or of a newer format.
    ///
    /// Another node than the snapshot's gets the registry alone: neither labels, nor lives, nor peers. Generations and
    /// lives that the directory has used are not set back, as far as its file can be read.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`] but `Closed`; the former content of the directory is in its file, or in the kept one.
    pub fn restore(
        &self,
        directory: &Path,
        identity: &Identity,
    ) -> Result<Option<PathBuf>, StoreError> {
        // Before the lock, whose file would belong to the wrong user.
        Directory::check_owner(directory)?;
        let directory = Directory::lock(directory)?;
        let file = directory.file();
        let is_missing = directory::is_missing(&file)?;
        let used = if is_missing {
            Used::default()
        } else {
            database::used(&file, identity)?
        };
        let is_own = self.identity() == identity;
        let lines = if is_own {
            Cow::Borrowed(&*self.lines)
        } else {
            Cow::Owned(of_any_node(&self.lines))
        };
        let meta = Meta {
            format: FORMAT,
            identity: identity.clone(),
        };
        let mut writes = vec![Write::Lines(&lines), Write::Meta(&meta)];
        let (generation, lives) = if is_own {
            (self.generation, self.lives.clone())
        } else {
            (0, UsedLives::default())
        };
        let generation = used.generation.map(|used| used.max(generation));
        let lives = used.lives.map(|used| used.merge(&lives));
        writes.extend(generation.map(Write::Generation));
        writes.extend(lives.as_ref().map(Write::Lives));
        let mut former = None;
        directory.create(|fresh| {
            database::create(fresh, &writes)?;
            database::look(fresh, identity)?;
            if !is_missing {
                former = Some(directory.keep_former()?);
            }
            Ok(())
        })?;
        Ok(former)
    }
}
