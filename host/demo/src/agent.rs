//! An agent of the demo: a child process with sockets of its own.

use std::fs::File;
use std::io::{Read, Seek};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edge_cache_client::{Address, Call, Client, ClientConfig};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::show;
use edge_cache_core::text;

/// The time limit for an agent to become ready. A debug build compiles the plugin in this time.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// The time limit for an agent to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// The time limit of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of log lines that are shown.
const LINES_MAX: usize = 12;
/// The longest shown line, in bytes.
const LINE_BYTES_MAX: usize = 400;
/// The prefix of the agent's environment variables.
const SETTINGS: &str = "EDGE_CACHE_";
/// The one setting that the demo passes on: the plugin file.
const PLUGIN: &str = "EDGE_CACHE_PLUGIN_SOURCE";

/// The first argument of a process that runs an agent.
pub(super) const RUN_AGENT: &str = "run-agent";

/// A running agent. It is killed on drop, and exits when the demo is killed.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) node_id: u64,
    pub(super) gossip: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) traffic: SocketAddr,
    pub(super) client: Client,
    /// A file without a name that the agent writes its log to.
    log: File,
    child: Child,
    /// The agent exits when this closes. Not in `child`, whose `wait` would close it.
    _lifeline: ChildStdin,
}

impl Agent {
    /// Starts the agent of a node with a cache, and waits until it serves.
    pub(super) async fn start(
        node_id: u64,
        cache: SocketAddr,
        seed: Option<SocketAddr>,
    ) -> Result<Self> {
        let failed = || format!("cannot start agent {node_id}");
        let log = NamedTempFile::new().with_context(failed)?;
        let mut child = command(node_id, cache, seed)
            .and_then(|mut command| command.stderr(log.reopen()?).spawn())
            .with_context(failed)?;
        let log = log.into_file();
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(anyhow::anyhow!("it has no pipes")).with_context(failed);
        };
        let ready = timeout(READY_WITHIN, addresses(stdout)).await;
        let ready = ready
            .with_context(|| format!("it was not ready within {} s", READY_WITHIN.as_secs()))
            .flatten();
        let [gossip, http, traffic] = match ready {
            Ok(addresses) => addresses,
            Err(error) => {
                show::log(node_id, &last_lines(&log));
                return Err(error).with_context(failed);
            }
        };
        let config = ClientConfig {
            timeout: REQUEST_TIMEOUT,
            ..ClientConfig::new(Address::plain(http)?)
        };
        Ok(Self {
            node_id,
            gossip,
            http,
            traffic,
            client: Client::new(config).context("cannot create an HTTP client")?,
            log,
            child,
            _lifeline: stdin,
        })
    }

    /// Sends a request to the agent.
    pub(super) async fn send<T>(&self, call: Call<'_, T>) -> Result<T> {
        let response = call.send().await;
        response.with_context(|| format!("request to agent {} failed", self.node_id))
    }

    /// Shows the end of the agent's log.
    pub(super) fn show_log(&self) {
        show::log(self.node_id, &last_lines(&self.log));
    }

    /// Stops the agent, waits for status 0 and returns the time that it took.
    pub(super) async fn stop(&mut self) -> Result<Duration> {
        let stopped = self.terminate().await;
        stopped.with_context(|| format!("agent {} did not stop", self.node_id))
    }

    async fn terminate(&mut self) -> Result<Duration> {
        let start = Instant::now();
        let id = self.child.id().context("it had ended before")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("it has no process id")?;
        kill_process(pid, Signal::TERM)?;
        let status = timeout(STOPPED_WITHIN, self.child.wait())
            .await
            .with_context(|| format!("it ran on for {} s", STOPPED_WITHIN.as_secs()))??;
        ensure!(status.success(), "{status}");
        Ok(start.elapsed())
    }
}

fn command(node_id: u64, cache: SocketAddr, seed: Option<SocketAddr>) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([RUN_AGENT, "--node-id", &node_id.to_string()])
        .args(["--cluster-id", &format!("demo-{}", std::process::id())])
        .args(["--gossip-listen", "127.0.0.1:0"])
        // A newcomer watches ten intervals for another member with its id.
        .args(["--gossip-interval", "200ms"])
        .args(["--http-listen", "127.0.0.1:0"])
        .args(["--traffic-listen", "127.0.0.1:0"])
        .args(["--cache-address", &cache.to_string()])
        .arg("--end-with-stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if let Some(seed) = seed {
        command.args(["--seed", &seed.to_string()]);
    }
    // Settings for a real agent, such as its data directory, must not apply to these three.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(SETTINGS) && name != PLUGIN {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Returns the last lines of a log, oldest first.
fn last_lines(mut log: &File) -> Vec<String> {
    let mut bytes = Vec::new();
    // The log only explains another error.
    let _ = log.rewind().and_then(|()| log.read_to_end(&mut bytes));
    let all = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = all.lines().collect();
    let shown = lines.len().saturating_sub(LINES_MAX);
    let shown = lines.get(shown..).unwrap_or_default().iter();
    shown
        .map(|line| text::clean(line, LINE_BYTES_MAX))
        .collect()
}

/// Reads the addresses that an agent prints when it is ready: of gossip, HTTP and the traffic listener.
async fn addresses(stdout: ChildStdout) -> Result<[SocketAddr; 3]> {
    let mut lines = BufReader::new(stdout).lines();
    let (mut gossip, mut http, mut traffic) = (None, None, None);
    loop {
        if let (Some(gossip), Some(http), Some(traffic)) = (gossip, http, traffic) {
            return Ok([gossip, http, traffic]);
        }
        let line = lines.next_line().await?;
        match line
            .context("it ended before it was ready")?
            .split_once('=')
        {
            Some(("gossip", address)) => gossip = address.parse().ok(),
            Some(("http", address)) => http = address.parse().ok(),
            Some(("traffic", address)) => traffic = address.parse().ok(),
            _ => {}
        }
    }
}
