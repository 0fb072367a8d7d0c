//! Commands for a running agent: each sends requests with the typed client and prints the response.
//!
//! - `nodes` lists nodes, `apply` makes those of a file the eligible ones.
//! - `snapshot` saves the state of an agent.
//! - `rollout` changes the plugin of one agent after the other.
//! - `status` describes an agent.
//! - `output` prints lines and JSON, `table` and `grid` make tables, `change` the texts of changes.

mod apply;
mod change;
mod grid;
mod nodes;
mod output;
mod rollout;
mod snapshot;
mod status;
mod table;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};
use edge_cache_client::{
    CaCertificates, Call, ChangeOutcome, Client, ClientConfig, ClientError, EdgeCacheStats,
    FollowUpdate, MembersQuery, NodeCapacity, PluginForm, PluginOffer, ReceivedEvent, ReloadQuery,
    RouteQuery, SwapQuery, SwapSource, Timestamp, Token,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::change::Change;
use crate::cli::{
    ClientCommand, ConnectionArgs, EnableArgs, OutputFormat, RunningPlugin, StatsArgs, SwapArgs,
};
use crate::exit::{self, usage};
use crate::plugin_files::proof_file;
use crate::screen::Screen;
use crate::settings::PluginSource;
use crate::trusted_file;

/// Runs a command, prints its result on standard output, and returns its exit code.
///
/// # Errors
///
/// The command failed; `exit` has the code of the error.
pub async fn run(command: &ClientCommand) -> Result<u8> {
    match send(command).await {
        // The reader closed the pipe on purpose.
        Err(error) if is_closed_pipe(&error) => Ok(exit::SUCCESS),
        ended => ended,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn send(command: &ClientCommand) -> Result<u8> {
    let session = Session {
        client: connect(&command.agent().connection)?,
        format: command.agent().format,
        screen: Screen::of_stdout(),
    };
    let client = &session.client;
    match command {
        ClientCommand::Status(_) => session.show(client.agent(), status::status).await,
        ClientCommand::Nodes(args) => session.nodes(args).await,
        ClientCommand::Apply(args) => session.apply(args).await,
        ClientCommand::SaveSnapshot(args) => session.save_snapshot(args).await,
        ClientCommand::Forget(args) => session.forget(args.node_id).await,
        ClientCommand::Node(args) => session.show(client.node(args.node_id), table::node).await,
        ClientCommand::Enable(args) => session.enable(args).await,
        ClientCommand::Disable(args) => {
            let change = Change {
                node_id: args.node.node_id,
                registered: false,
                wait: args.wait,
            };
            session
                .change(client.disable(args.node.node_id), change)
                .await
        }
        ClientCommand::Stats(args) => session.stats(args).await,
        ClientCommand::Peers(args) => {
            let call = client.members(MembersQuery {
                status: args.status,
            });
            session.show(call, table::members).await
        }
        ClientCommand::Route(args) => {
            let call = client.route(&RouteQuery {
                key: args.key.clone(),
                replicas: args.replicas,
                geo: args.geo.clone(),
            });
            session.show(call, table::route).await
        }
        ClientCommand::Events(_) => match session.follow().await? {},
        ClientCommand::Reload(_) => session.reload().await,
        ClientCommand::Leave(_) => {
            client.leave().send().await?;
            session.say("the agent leaves", &json!({"leaving": true}))?;
            Ok(exit::SUCCESS)
        }
        ClientCommand::Plugin(RunningPlugin::Show(_)) => {
            session.show(client.plugin(), table::plugin).await
        }
        ClientCommand::Plugin(RunningPlugin::Swap(args)) => session.swap(args).await,
        ClientCommand::Plugin(RunningPlugin::Reload(args)) => {
            let call = client.reload_plugin(&ReloadQuery {
                pull: args.pull,
                digest: args.digest.map(|digest| digest.to_string()),
            });
            session.show(call, table::plugin).await
        }
        ClientCommand::Plugin(RunningPlugin::Rollout(args)) => session.rollout(args).await,
        ClientCommand::Plugin(RunningPlugin::Revert(_)) => {
            session.show(client.revert_plugin(), table::plugin).await
        }
        ClientCommand::Plugin(RunningPlugin::Logs(_)) => {
            session.show(client.plugin_logs(), table::logs).await
        }
    }
}

/// Creates the client that the flags describe.
pub(crate) fn connect(args: &ConnectionArgs) -> Result<Client> {
    let is_tls = args.addr.is_tls();
    let token = args.token_file.as_deref().map(token).transpose();
    let ca = args.ca_file.as_deref().filter(|_| is_tls);
    let config = ClientConfig {
        address: args.addr.clone(),
        token: token.map_err(usage)?,
        insecure_http: args.insecure_http,
        ca: ca.map(certificates).transpose().map_err(usage)?,
        timeout: args.timeout,
    };
    Client::new(config).map_err(|error| match error {
        ClientError::PlaintextToken { address } => usage(anyhow!(
            "the token would be sent to {address} unencrypted: use https:// with --ca-file, or --insecure-http if the \
             network itself is encrypted"
        )),
        ClientError::NoCa { address } => usage(anyhow!(
            "{address} needs --ca-file (EDGE_CACHE_CA_FILE), a PEM file of root certificates: those of the system are \
             not used"
        )),
        error => error.into(),
    })
}

fn token(path: &Path) -> Result<Token> {
    let file = trusted_file::read_secret(path)
        .with_context(|| format!("cannot use the token file {}", path.display()))?;
    Token::from_bytes(&file).with_context(|| {
        format!(
            "the token file {} must hold one token and nothing else: the text after `token=` in the output of \
             `token new`",
            path.display()
        )
    })
}

fn certificates(path: &Path) -> Result<CaCertificates> {
    let file = trusted_file::read_public(path)
        .with_context(|| format!("cannot use the root certificates {}", path.display()))?;
    CaCertificates::from_pem(&file)
        .with_context(|| format!("the file {} must hold certificates in PEM", path.display()))
}

/// Reads the plugin that the arguments name.
fn offer(args: &SwapArgs) -> Result<PluginOffer> {
    let settings = args.settings.iter().cloned().collect();
    let settings = Some(settings).filter(|settings: &BTreeMap<_, _>| !settings.is_empty());
    let file = match &args.source {
        PluginSource::Registry(reference) => {
            let source = reference.to_string();
            return Ok(PluginOffer::Registry(SwapSource { source, settings }));
        }
        PluginSource::File(file) => file,
    };
    let plugin = std::fs::read(file)
        .with_context(|| format!("cannot read the plugin {}", file.display()))
        .map_err(usage)?;
    let proof_file = proof_file(file);
    let proof = match std::fs::read(&proof_file) {
        Ok(proof) => Some(proof),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let error = anyhow!(error).context(format!("cannot read {}", proof_file.display()));
            return Err(usage(error));
        }
    };
    if proof.is_none() && settings.is_none() {
        return Ok(PluginOffer::File(plugin));
    }
    Ok(PluginOffer::Form(PluginForm {
        plugin,
        proof,
        settings,
    }))
}

/// A client of one agent, the format in which its responses are printed, and the screen for tables.
struct Session {
    client: Client,
    format: OutputFormat,
    screen: Screen,
}

impl Session {
    /// Sends a call and prints the response.
    async fn show<T: DeserializeOwned>(
        &self,
        call: Call<'_, T>,
        table: impl Fn(&T, Screen) -> String,
    ) -> Result<u8> {
        output::line(&match self.format {
            OutputFormat::Table => table(&call.send().await?, self.screen),
            OutputFormat::Json => output::json(&call.send_json().await?),
        })?;
        Ok(exit::SUCCESS)
    }

    async fn enable(&self, args: &EnableArgs) -> Result<u8> {
        let capacity = NodeCapacity {
            cpu_cores: args.cpu_cores,
            ram_mib: args.ram_mib,
            disk_mib: args.disk_mib,
            geo: args.geo.clone(),
        };
        let change = Change {
            node_id: args.node.node_id,
            registered: true,
            wait: args.wait,
        };
        let call = self.client.enable(args.node.node_id, capacity);
        self.change(call, change).await
    }

    async fn change(&self, mut call: Call<'_, ChangeOutcome>, change: Change) -> Result<u8> {
        if let Some(time) = change.wait.wait {
            call = call.wait(time);
        }
        match call.send().await? {
            ChangeOutcome::Done => {
                self.say(&change.done(), &change.json())?;
                Ok(exit::SUCCESS)
            }
            ChangeOutcome::Pending(state) => {
                self.say(&change.pending(&state), &json!(state))?;
                Ok(change::refusal(&state).map_or(exit::PENDING, |_| exit::NODE_REFUSES))
            }
        }
    }

    /// Shows counters; adds to them first where there is something to add.
    async fn stats(&self, args: &StatsArgs) -> Result<u8> {
        let call = if args.add_hits.is_none() && args.add_misses.is_none() {
            self.client.stats(args.node.node_id)
        } else {
            let delta = EdgeCacheStats {
                hits: args.add_hits.unwrap_or_default(),
                misses: args.add_misses.unwrap_or_default(),
            };
            self.client.add_stats(args.node.node_id, delta)
        };
        self.show(call, table::stats).await
    }

    async fn swap(&self, args: &SwapArgs) -> Result<u8> {
        let query = SwapQuery {
            sha256: args.sha256.map(hex::encode),
        };
        let call = self.client.swap_plugin(offer(args)?, query);
        self.show(call, table::plugin).await
    }

    /// Reloads the agent. A part that failed is a failure.
    async fn reload(&self) -> Result<u8> {
        let report = self.client.reload().send().await?;
        output::line(&match self.format {
            OutputFormat::Table => table::reload(&report, self.screen),
            OutputFormat::Json => output::json(&json!(report)),
        })?;
        Ok(match report.failed().next() {
            Some(_) => exit::FAILED,
            None => exit::SUCCESS,
        })
    }

    async fn forget(&self, node_id: u64) -> Result<u8> {
        self.client.forget_peer(node_id).send().await?;
        let said = format!("node {node_id} is forgotten by this agent");
        self.say(&said, &json!({"node_id": node_id, "forgotten": true}))?;
        Ok(exit::SUCCESS)
    }

    /// Prints events until the agent refuses the client or the reader closes the pipe.
    async fn follow(&self) -> Result<Infallible> {
        let mut follower = self.client.follow_events().await?;
        loop {
            match (follower.next().await?, self.format) {
                (FollowUpdate::Event(event), OutputFormat::Table) => {
                    let at = Timestamp(SystemTime::now());
                    output::line(&table::event(at, &event, self.screen))?;
                }
                (FollowUpdate::Event(event), OutputFormat::Json) => {
                    let ReceivedEvent { id, name, data } = event;
                    let at = Timestamp(SystemTime::now());
                    let event = json!({"at": at, "id": id, "event": name, "data": data});
                    output::line(&output::json(&event))?;
                }
                // Standard error may be closed.
                (FollowUpdate::Broken(error), _) => {
                    let _ = writeln!(io::stderr(), "edge-cache-agent: {error}; trying again");
                }
            }
        }
    }

    /// Prints a result that is no response of an operation.
    fn say(&self, text: &str, json: &Value) -> Result<()> {
        match self.format {
            OutputFormat::Table => output::line(text),
            OutputFormat::Json => output::line(&output::json(json)),
        }
    }
}
