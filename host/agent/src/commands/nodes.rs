//! `nodes`: reads the list of eligible nodes, page by page where it asks for more than a page has.

use anyhow::{Context, Result, bail};
use edge_cache_client::{NodeList, NodesQuery};
use serde_json::{Map, Value};

use super::{Session, output, table};
use crate::cli::{NodesArgs, OutputFormat};
use crate::exit;

impl Session {
    /// Prints the nodes that the arguments ask for. Those with the largest ids are left out beyond the limit.
    pub(super) async fn nodes(&self, args: &NodesArgs) -> Result<u8> {
        let mut query = NodesQuery {
            geo: args.geo.clone(),
            after: args.after,
            limit: None,
        };
        // As the agent wrote them, with fields that this version does not know.
        let mut nodes = Vec::new();
        let next = loop {
            let left = args.limit.map(|limit| limit.saturating_sub(nodes.len()));
            query.limit = left.map(|left| left.min(NodesQuery::LIMIT_MAX));
            let mut page = self.client.nodes_page(&query).send_json().await?;
            let next = page.get("next").and_then(Value::as_u64);
            let Some(Value::Array(listed)) = page.get_mut("nodes").map(Value::take) else {
                bail!("the response is not that of an agent: it has no `nodes`");
            };
            nodes.extend(listed);
            // A page that does not go on would be asked for without end.
            let is_enough = args.limit.is_some_and(|limit| nodes.len() >= limit);
            if next.is_none() || next <= query.after || is_enough {
                break next;
            }
            query.after = next;
        };
        let mut list = Map::from_iter([("nodes".to_string(), nodes.into())]);
        if let Some(next) = next {
            list.insert("next".to_string(), next.into());
        }
        if next.is_some() || args.geo.is_some() || args.after.is_some() {
            list.insert("is_part".to_string(), true.into());
        }
        let list = Value::from(list);
        output::line(&match self.format {
            OutputFormat::Json => output::json(&list),
            OutputFormat::Table => {
                let list: NodeList =
                    serde_json::from_value(list).context("the response is not that of an agent")?;
                table::nodes(&list, self.screen)
            }
        })?;
        Ok(exit::SUCCESS)
    }
}
