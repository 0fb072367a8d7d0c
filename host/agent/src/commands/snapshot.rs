//! `snapshot save`: writes the state of a running agent to a file.

use anyhow::{Context, Result};
use serde_json::json;

use super::Session;
use crate::cli::SaveArgs;
use crate::exit;
use crate::snapshot_tools::{self, Contents};

impl Session {
    /// Writes a snapshot, once it is whole and its checksum fits. A file that was there is replaced, or stays as it was.
    pub(super) async fn save_snapshot(&self, args: &SaveArgs) -> Result<u8> {
        let bytes = self.client.snapshot().send().await?;
        let contents = snapshot_tools::parse(&bytes)
            .map(|snapshot| Contents::of(&snapshot))
            .context("the agent has sent no usable snapshot")?;
        snapshot_tools::write(&args.file, &bytes)?;
        let (file, bytes) = (args.file.display().to_string(), bytes.len());
        let (node_id, nodes) = (contents.node_id, contents.eligible_nodes);
        let said = format!(
            "{file} has the state of node {}; eligible nodes: {nodes}; {bytes} bytes",
            node_id.map_or_else(|| "-".to_string(), |node_id| node_id.to_string()),
        );
        let json = json!({"file": file, "bytes": bytes, "snapshot": contents});
        self.say(&said, &json)?;
        Ok(exit::SUCCESS)
    }
}
