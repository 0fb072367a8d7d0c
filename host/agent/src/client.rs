//! A client of a running agent: the commands that ask one over HTTP.
//!
//! - `address` and `connection` say where the agent is and what is sent there.
//! - [`error`](ClientError) gives each failure its exit code, for scripts.
//! - `answers` are what comes back, `show` and `output` what is printed of it.
//! - `events` follows a stream, which `sse` reads.
//!
//! It knows nothing that an agent's OpenAPI document does not say, and decides nothing.

mod address;
mod answers;
mod connection;
mod error;
mod events;
mod output;
mod show;
mod sse;

use std::io::ErrorKind;

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cli::{AgentArgs, ClientCommand, EnableArgs, OutputFormat, RunningPlugin, StatsArgs};
use edge_cache_core::NodeId;
use edge_cache_host::{EdgeCacheStats, NodeCapacity};

pub use self::address::{Address, AddressError};
pub(super) use self::connection::{Connection, Request};
pub use self::error::{ClientError, exit};

#[cfg(test)]
mod tests;

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is done, and labels that were waited for have not followed in time.
    Pending,
}

/// A change of one node that was made.
struct Made {
    node_id: NodeId,
    registered: bool,
    waited: bool,
}

/// Asks an agent and prints what it answers on standard output.
///
/// # Errors
///
/// Any [`ClientError`]; its exit code tells them apart.
pub async fn run(command: &ClientCommand) -> Result<Outcome, ClientError> {
    match ask(command).await {
        // A reader that went away has seen enough.
        Err(ClientError::Print(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(Outcome::Done)
        }
        ended => ended,
    }
}

async fn ask(command: &ClientCommand) -> Result<Outcome, ClientError> {
    let asker = Asker::new(command.agent())?;
    match command {
        ClientCommand::Nodes(_) => {
            let request = Request::get("/api/v1/edge-cache/nodes");
            asker.show(&request, show::nodes).await
        }
        ClientCommand::Node(args) => {
            let request = Request::get(node_path(args.node_id));
            asker.show(&request, show::node).await
        }
        ClientCommand::Enable(args) => {
            let made = Made {
                node_id: args.node_id,
                registered: true,
                waited: args.wait.is_waiting(),
            };
            let request = enable(args).wait(args.wait.wait);
            asker.change(&request, &made).await
        }
        ClientCommand::Disable(args) => {
            let made = Made {
                node_id: args.node_id,
                registered: false,
                waited: args.wait.is_waiting(),
            };
            let request = Request::new(Method::DELETE, node_path(args.node_id));
            asker.change(&request.wait(args.wait.wait), &made).await
        }
        ClientCommand::Stats(args) => asker.show(&stats(args), show::stats).await,
        ClientCommand::Peers(args) => {
            let status = args.status.map(|status| status.name());
            let request = Request::get("/api/v1/cluster/members").query("status", status);
            asker.show(&request, show::members).await
        }
        ClientCommand::Route(args) => {
            let request = Request::get("/api/v1/edge-cache/route")
                .query("key", Some(&args.key))
                .query("replicas", args.replicas)
                .query("geo", args.geo.as_deref());
            asker.show(&request, show::route).await
        }
        ClientCommand::Events(_) => match events::follow(&asker.connection, asker.format).await? {},
        ClientCommand::Leave(_) => asker.leave().await,
        ClientCommand::Plugin(RunningPlugin::Show(_)) => {
            let request = Request::get("/api/v1/plugin");
            asker.show(&request, show::plugin).await
        }
        ClientCommand::Plugin(RunningPlugin::Swap(args)) => {
            let component = std::fs::read(&args.file);
            let component = component.map_err(|source| ClientError::Component {
                path: args.file.clone(),
                source,
            })?;
            let request = Request::new(Method::PUT, "/api/v1/plugin")
                .query("sha256", args.sha256.map(|digest| hex::encode(&digest)))
                .wasm(component);
            asker.show(&request, show::plugin).await
        }
        ClientCommand::Plugin(RunningPlugin::Logs(_)) => {
            let request = Request::get("/api/v1/plugin/logs");
            asker.show(&request, show::logs).await
        }
    }
}

/// Asks one agent, and prints in one format.
struct Asker {
    connection: Connection,
    format: OutputFormat,
}

impl Asker {
    fn new(args: &AgentArgs) -> Result<Self, ClientError> {
        Ok(Self {
            connection: Connection::new(args)?,
            format: args.format,
        })
    }

    /// Asks and prints the answer.
    async fn show<T: DeserializeOwned>(
        &self,
        request: &Request,
        table: impl Fn(&T) -> String,
    ) -> Result<Outcome, ClientError> {
        let answer = self.connection.ask(request).await?;
        self.print(request, &answer.body, table)?;
        Ok(Outcome::Done)
    }

    /// Has a change made and prints what became of it.
    async fn change(&self, request: &Request, made: &Made) -> Result<Outcome, ClientError> {
        let answer = self.connection.ask(request).await?;
        if answer.status == StatusCode::ACCEPTED {
            self.print(request, &answer.body, |_: &Value| made.pending())?;
            return Ok(Outcome::Pending);
        }
        self.say(&made.text(), &made.json())?;
        Ok(Outcome::Done)
    }

    async fn leave(&self) -> Result<Outcome, ClientError> {
        let request = Request::new(Method::POST, "/api/v1/agent/leave");
        self.connection.ask(&request).await?;
        self.say("the agent leaves", &json!({"leaving": true}))?;
        Ok(Outcome::Done)
    }

    /// Prints what has no answer of its own.
    fn say(&self, text: &str, json: &Value) -> Result<(), ClientError> {
        let json = output::json(json);
        output::line(match self.format {
            OutputFormat::Table => text,
            OutputFormat::Json => &json,
        })?;
        Ok(())
    }

    fn print<T: DeserializeOwned>(
        &self,
        request: &Request,
        body: &[u8],
        table: impl Fn(&T) -> String,
    ) -> Result<(), ClientError> {
        let wrong = |wrong| {
            let reason = format!("this is no answer of an agent: {wrong}");
            self.connection.unanswered(request, reason)
        };
        output::print(self.format, body, table)?.map_err(wrong)
    }
}

impl Made {
    fn text(&self) -> String {
        let Self { node_id, .. } = self;
        match (self.registered, self.waited) {
            (true, false) => format!("node {node_id} is enabled"),
            (true, true) => format!("node {node_id} is enabled, and its labels are seen"),
            (false, false) => format!("node {node_id} is disabled"),
            (false, true) => format!("node {node_id} is disabled, and its labels are gone"),
        }
    }

    fn pending(&self) -> String {
        let Self { node_id, .. } = self;
        if self.registered {
            format!("node {node_id} is enabled; its labels are not seen yet")
        } else {
            format!("node {node_id} is disabled; its labels are still seen")
        }
    }

    /// As the agent says it of a change whose labels do not follow in time.
    fn json(&self) -> Value {
        let Self {
            node_id,
            registered,
            waited,
        } = *self;
        let mut said = json!({"node_id": node_id, "registered": registered});
        if waited && let Some(said) = said.as_object_mut() {
            said.insert("advertised".to_string(), registered.into());
        }
        said
    }
}

fn enable(args: &EnableArgs) -> Request {
    let capacity = NodeCapacity {
        cpu_cores: args.cpu_cores,
        ram_mib: args.ram_mib,
        disk_mib: args.disk_mib,
        geo: args.geo.clone(),
    };
    let body = json!({ "capacity": capacity });
    Request::new(Method::POST, node_path(args.node_id)).json(body)
}

/// Without anything to add, it only looks.
fn stats(args: &StatsArgs) -> Request {
    let path = format!("{}/stats", node_path(args.node_id));
    if args.add_hits.is_none() && args.add_misses.is_none() {
        return Request::get(path);
    }
    let delta = EdgeCacheStats {
        hits: args.add_hits.unwrap_or_default(),
        misses: args.add_misses.unwrap_or_default(),
    };
    Request::new(Method::POST, path).json(json!(delta))
}

fn node_path(node_id: NodeId) -> String {
    format!("/api/v1/nodes/{node_id}/edge-cache")
}
