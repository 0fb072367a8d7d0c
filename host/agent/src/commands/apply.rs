//! `apply`: makes the nodes of a file the eligible ones, and shows the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use edge_cache_client::limits::NODES_BYTES_MAX;
use edge_cache_client::object::Object;
use edge_cache_client::{
    ClientError, Node, NodeCapacity, NodeId, NodeOutcome, ProblemType, Replacement,
    ReplacementReport, WantedNode,
};
use serde_json::{Value, json};

use super::table::{capacity, clean};
use super::{Session, output};
use crate::cli::{ApplyArgs, OutputFormat};
use crate::exit::{self, usage};

/// The indent of the rest of a line that is wider than the screen.
const INDENT: usize = 4;
/// The name of standard input.
const STDIN: &str = "-";

impl Session {
    /// Replaces the list of nodes by that of a file, unless somebody else changes the list meanwhile.
    pub(super) async fn apply(&self, args: &ApplyArgs) -> Result<u8> {
        let wanted = read(&args.file).map_err(usage)?;
        let present = self.client.tagged_nodes().send().await?;
        let difference = Difference::new(&present.nodes, &wanted);
        let report = if args.dry_run {
            None
        } else {
            let call = self.client.replace_nodes(&wanted, Some(&present.tag));
            Some(call.send().await.map_err(changed_meanwhile)?)
        };
        output::line(&match self.format {
            OutputFormat::Table => {
                let text = difference.text(report.as_ref());
                self.screen.wrap(&text, INDENT)
            }
            OutputFormat::Json => output::json(&difference.json(report.as_ref())),
        })?;
        let is_done = report.is_none_or(|report| report.failed == 0);
        Ok(if is_done {
            exit::SUCCESS
        } else {
            exit::REFUSED
        })
    }
}

fn changed_meanwhile(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Refused {
            problem_type: Some(ProblemType::ChangedMeanwhile),
            ..
        } => anyhow!(error).context(
            "somebody else has changed the list meanwhile, and nothing is changed: look at the difference again \
             with --dry-run",
        ),
        error => error.into(),
    }
}

/// Reads the list of a file, and checks what an agent would refuse.
fn read(path: &Path) -> Result<Replacement> {
    let shown = path.display();
    let mut content = Vec::new();
    // One byte more tells a list that is too large from one that just fits.
    let max = (NODES_BYTES_MAX as u64).saturating_add(1);
    let read = if path == Path::new(STDIN) {
        let input = io::stdin().lock();
        input.take(max).read_to_end(&mut content)
    } else {
        let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
        file.take(max).read_to_end(&mut content)
    };
    read.with_context(|| format!("cannot read {shown}"))?;
    ensure!(
        content.len() <= NODES_BYTES_MAX,
        "{shown} is too large: a list may have at most 16 MiB"
    );
    let Object(wanted): Object<Replacement> = serde_json::from_slice(&content)
        .map_err(|error| anyhow!("{shown} is no list of nodes: {}", clean(&error.to_string())))?;
    wanted.check_whole().map_err(|reason| {
        anyhow!("{shown}: {reason}: write it without --geo, --limit and --after")
    })?;
    let mut seen = BTreeSet::new();
    for WantedNode { node_id, capacity } in &wanted.nodes {
        if !seen.insert(node_id) {
            bail!("node {node_id} is listed twice in {shown}, each node may be listed once");
        }
        if let Err(reason) = capacity.check() {
            bail!("{shown}: node {node_id}: {reason}");
        }
    }
    Ok(wanted)
}

/// The changes from the present nodes to the wanted ones: the capacity before and after of each node.
struct Difference {
    changes: BTreeMap<NodeId, (Option<NodeCapacity>, Option<NodeCapacity>)>,
    unchanged: usize,
}

impl Difference {
    fn new(present: &[Node], wanted: &Replacement) -> Self {
        let mut changes: BTreeMap<NodeId, (Option<NodeCapacity>, Option<NodeCapacity>)> = present
            .iter()
            .map(|node| (node.node_id, (Some(node.capacity.clone()), None)))
            .collect();
        for node in &wanted.nodes {
            let (_, after) = changes.entry(node.node_id).or_default();
            *after = Some(node.capacity.clone());
        }
        let all = changes.len();
        changes.retain(|_, (before, after)| before != after);
        Self {
            unchanged: all.saturating_sub(changes.len()),
            changes,
        }
    }

    /// Describes the difference in lines; those that failed have the reason.
    fn text(&self, report: Option<&ReplacementReport>) -> String {
        let mut counts = [0_usize; 3];
        let mut lines = Vec::new();
        let failed = failures(report);
        for (node_id, change) in &self.changes {
            let (kind, line) = match change {
                (None, Some(after)) => (0, format!("+ node {node_id}: {}", capacity(after))),
                (Some(before), Some(after)) => {
                    let (before, after) = (capacity(before), capacity(after));
                    (1, format!("~ node {node_id}: {before} -> {after}"))
                }
                (Some(before), None) => (2, format!("- node {node_id}: {}", capacity(before))),
                (None, None) => continue,
            };
            if let Some(reason) = failed.get(node_id) {
                lines.push(format!("{line}: failed: {}", clean(reason)));
            } else {
                if let Some(count) = counts.get_mut(kind) {
                    *count = count.saturating_add(1);
                }
                lines.push(line);
            }
        }
        let ([added, changed, removed], unchanged) = (counts, self.unchanged);
        lines.push(match report {
            None => format!(
                "{added} to add, {changed} to change, {removed} to remove, {unchanged} unchanged; nothing is done: \
                 --dry-run"
            ),
            Some(_) if failed.is_empty() => {
                format!("{added} added, {changed} changed, {removed} removed, {unchanged} unchanged")
            }
            Some(_) => format!(
                "{added} added, {changed} changed, {removed} removed, {unchanged} unchanged, {} failed",
                failed.len()
            ),
        });
        lines.join("\n")
    }

    fn json(&self, report: Option<&ReplacementReport>) -> Value {
        let failed = failures(report);
        let (mut added, mut changed, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for (node_id, change) in &self.changes {
            if failed.contains_key(node_id) {
                continue;
            }
            match change {
                (None, after) => added.push(json!({"node_id": node_id, "capacity": after})),
                (before, None) => removed.push(json!({"node_id": node_id, "capacity": before})),
                (before, after) => {
                    changed.push(json!({"node_id": node_id, "from": before, "to": after}));
                }
            }
        }
        let failed = failed.iter();
        let failed: Vec<_> = failed
            .map(|(node_id, reason)| json!({"node_id": node_id, "detail": reason}))
            .collect();
        json!({
            "dry_run": report.is_none(), "added": added, "changed": changed, "removed": removed,
            "unchanged": self.unchanged, "failed": failed,
        })
    }
}

/// Returns the nodes that could not be changed, each with the reason.
fn failures(report: Option<&ReplacementReport>) -> BTreeMap<NodeId, &str> {
    let results = report.into_iter().flat_map(|report| &report.nodes);
    let failed = results.filter(|node| node.result == NodeOutcome::Failed);
    let reasons = failed.map(|node| {
        let problem = node.problem.as_ref();
        (node.node_id, problem.map_or("", |problem| &*problem.detail))
    });
    reasons.collect()
}
