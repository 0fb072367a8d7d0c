//! Commands for snapshots that need no running agent: `snapshot inspect` and `snapshot restore`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Serialize;
use serde_json::json;

use crate::cli::{OutputFormat, RestoreArgs, SnapshotArgs};
use crate::exit::usage;
use crate::plugin_files::{SECRET_MODE, replace};
use edge_cache_api::limits::SNAPSHOT_BYTES_MAX;
use edge_cache_api::{Replacement, Timestamp, WantedNode};
use edge_cache_core::{NodeId, text, time_of};
use edge_cache_host::{Identity, SnapshotError, SnapshotPlugin, StoreError, StoreSnapshot};

/// The content of a snapshot, for people and scripts.
#[derive(Debug, Serialize)]
pub(crate) struct Contents {
    pub(crate) node_id: Option<NodeId>,
    cluster_id: String,
    taken_at: Timestamp,
    version: String,
    plugin: SnapshotPlugin,
    /// As text: JSON readers round numbers above 2^53.
    generation: String,
    pub(crate) eligible_nodes: usize,
    enabling_decisions: usize,
    disabling_decisions: usize,
    counter_sources: usize,
    known_members: usize,
}

impl Contents {
    pub(crate) fn of(snapshot: &StoreSnapshot) -> Self {
        let Identity {
            node_id,
            cluster_id,
        } = snapshot.identity().clone();
        let origin = snapshot.origin().clone();
        let (enabling_decisions, disabling_decisions) = snapshot.decisions();
        Self {
            node_id,
            cluster_id,
            taken_at: Timestamp(time_of(origin.taken_at_ms)),
            version: origin.version,
            plugin: origin.plugin,
            generation: snapshot.generation().to_string(),
            eligible_nodes: snapshot.nodes().count(),
            enabling_decisions,
            disabling_decisions,
            counter_sources: snapshot.sources(),
            known_members: snapshot.members(),
        }
    }

    fn lines(&self) -> String {
        let clean = |text: &str| text::clean(text, text::ERROR_BYTES_MAX);
        let node_id = self.node_id.map(|node_id| node_id.to_string());
        let rows = [
            ("node", node_id.unwrap_or_else(|| "-".to_string())),
            ("cluster", clean(&self.cluster_id)),
            ("taken at", self.taken_at.to_string()),
            ("version", clean(&self.version)),
            ("plugin", clean(&self.plugin.source)),
            ("plugin sha256", clean(&self.plugin.sha256)),
            ("policy", clean(&self.plugin.policy)),
            ("generation", self.generation.clone()),
            ("eligible nodes", self.eligible_nodes.to_string()),
            ("enabling decisions", self.enabling_decisions.to_string()),
            ("disabling decisions", self.disabling_decisions.to_string()),
            ("counter sources", self.counter_sources.to_string()),
            ("known members", self.known_members.to_string()),
        ];
        rows.map(|(name, value)| format!("{name:<20} {value}\n"))
            .concat()
    }
}

/// Describes a snapshot, or lists its eligible nodes.
///
/// # Errors
///
/// The file cannot be read, or is no snapshot that can be used.
pub fn inspect(args: &SnapshotArgs) -> Result<String> {
    let snapshot = read(&args.file)?;
    if args.nodes {
        let nodes = snapshot.nodes().map(|node| WantedNode {
            node_id: node.node_id,
            capacity: node.capacity.clone(),
        });
        let list = Replacement {
            nodes: nodes.collect(),
            ..Replacement::default()
        };
        return Ok(format!("{}\n", json!(list)));
    }
    let contents = Contents::of(&snapshot);
    Ok(match args.format {
        OutputFormat::Table => contents.lines(),
        OutputFormat::Json => format!("{}\n", json!(contents)),
    })
}

/// Makes a snapshot the state of an agent that does not run.
///
/// # Errors
///
/// The snapshot cannot be used or is another agent's, or the data directory is in use, cannot be written, or belongs to
/// another agent. The directory has its former content then.
pub fn restore(args: &RestoreArgs) -> Result<String> {
    let settings = &args.settings;
    let directory = settings.data_dir.as_deref().ok_or_else(|| {
        usage(anyhow!(
            "`data_dir` is not set: give `--data-dir DIR`, or the settings of the agent by `--config FILE`"
        ))
    })?;
    let snapshot = read(&args.file)?;
    let identity = Identity {
        node_id: Some(settings.node_id),
        cluster_id: settings.cluster_id.clone(),
    };
    check_identity(snapshot.identity(), &identity, args.from_node).map_err(usage)?;
    let former = snapshot.restore(directory, &identity);
    let former = former.map_err(|error| match error {
        StoreError::InUse { path } => anyhow!(
            "nothing is restored: the data directory {} is in use; stop its agent first",
            path.display()
        ),
        error => anyhow!(error).context(
            "the restore is not complete: the data directory has its former content, or registry.redb.before-restore-* has it",
        ),
    })?;
    let contents = Contents::of(&snapshot);
    let mut said = format!(
        "{} has the state of {}; eligible nodes: {}\n",
        directory.display(),
        contents.taken_at,
        contents.eligible_nodes
    );
    if let Some(former) = former {
        said += &format!("the former store is {}\n", former.display());
    }
    Ok(said)
}

fn check_identity(found: &Identity, own: &Identity, from_node: Option<NodeId>) -> Result<()> {
    let cluster = &found.cluster_id;
    ensure!(
        *cluster == own.cluster_id,
        "the snapshot is of the cluster {cluster:?}, this agent is of {:?}: `snapshot inspect FILE --nodes` prints its \
         nodes, which `apply` takes",
        own.cluster_id
    );
    let Some(node_id) = found.node_id else {
        bail!("the snapshot is of an agent without a node");
    };
    let expected = from_node.or(own.node_id);
    if expected == Some(node_id) {
        return Ok(());
    }
    if let Some(from_node) = from_node {
        bail!("the snapshot is of node {node_id}, not of node {from_node}");
    }
    bail!(
        "the snapshot is of node {node_id}, this agent is of node {}: `--from-node {node_id}` takes over its registry",
        own.node_id.unwrap_or_default()
    );
}

fn read(path: &Path) -> Result<StoreSnapshot> {
    let shown = path.display();
    let cannot_read = || format!("cannot read the snapshot {shown}");
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(cannot_read).map_err(usage)?;
    let max = SNAPSHOT_BYTES_MAX as u64;
    let read = file.take(max.saturating_add(1)).read_to_end(&mut bytes);
    read.with_context(cannot_read).map_err(usage)?;
    let snapshot = parse(&bytes);
    snapshot.with_context(|| format!("cannot use the snapshot {shown}"))
}

pub(crate) fn parse(bytes: &[u8]) -> Result<StoreSnapshot> {
    ensure!(
        bytes.len() <= SNAPSHOT_BYTES_MAX,
        "it is larger than {SNAPSHOT_BYTES_MAX} bytes"
    );
    let cleaned = |error: SnapshotError| text::clean(&error.to_string(), text::ERROR_BYTES_MAX);
    StoreSnapshot::parse(bytes).map_err(|error| anyhow!(cleaned(error)))
}

/// Writes a snapshot. Only its owner may read the file, which is replaced as a whole or stays as it was.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, SECRET_MODE, bytes)
        .with_context(|| format!("cannot write the snapshot {}", path.display()))
}
