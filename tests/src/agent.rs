//! Agents as processes, and their API as a client sees it.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use edge_cache_agent::http::HEADERS_TIMEOUT;
use edge_cache_agent::plugin_manager::COMPILE_COMMAND;
use edge_cache_build::cargo;
use edge_cache_host::sandbox::CompilerProcess;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::component::reference_bytes;

/// Maximum time for an agent to become ready, compiling its plugin included.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Maximum time that an agent is given to hear from its peers, and the pause between two requests.
const JOINED_WITHIN: Duration = Duration::from_secs(15);
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Maximum time for an agent to exit.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// The agent's binary, with the reference component built in.
///
/// # Errors
///
/// Any error of the build.
pub fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BINARY
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .as_deref()
        .map_err(|error| anyhow!("the agent is not there: {error}"))
}

/// Builds from the root of the workspace and as from a shell, as the aliases do: else cargo would choose other
/// features, or run build scripts again, and compile everything that depends on them.
fn build() -> Result<PathBuf> {
    // Built here once and for all: a build while an agent waits would hold the test's client up.
    reference_bytes()?;
    let built = cargo()
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["build", "--quiet", "--bin", "edge-cache-agent"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()?;
    if !built.status.success() {
        bail!("cargo build ended with {}", built.status);
    }
    String::from_utf8(built.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .context("cargo named no executable")
}

/// Returns the compiler of an agent, as a child process of the test.
///
/// # Errors
///
/// Any error of building the agent.
pub fn compiler() -> Result<CompilerProcess> {
    Ok(CompilerProcess::new(binary()?, [COMPILE_COMMAND]))
}

/// A running agent. It is killed when this is dropped.
#[derive(Debug)]
pub struct Agent {
    /// Address of its HTTP API.
    pub http: SocketAddr,
    /// Address of its gossip socket, if gossip is on.
    pub gossip: Option<SocketAddr>,
    child: Child,
    client: Client,
}

/// Answer of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: String,
    /// The body; null where it is empty, a string where it is not JSON.
    pub body: Value,
}

/// Result of a process that had to exit.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A client that trusts these roots alone, in PEM; none where it speaks plainly.
///
/// # Errors
///
/// Where a root is none.
pub fn client(roots: &[&str]) -> Result<Client> {
    edge_cache_agent::http::use_ring();
    let roots: Result<Vec<_>, _> = roots
        .iter()
        .map(|root| reqwest::Certificate::from_pem(root.as_bytes()))
        .collect();
    Ok(Client::builder()
        .no_proxy()
        .tls_certs_only(roots?)
        // An agent closes a connection that is idle for longer than this.
        .pool_idle_timeout(HEADERS_TIMEOUT / 2)
        .build()?)
}

/// Writes a file that only its owner can read, as agents require of keys and tokens.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_secret(path: &Path, content: impl AsRef<[u8]>) -> std::io::Result<()> {
    std::fs::write(path, content)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Returns a command that inherits no variable of the agent's settings, nor those that only tests read.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    without_settings(Command::new(program))
}

/// Returns a command without the variables of the agent's settings, nor those that only tests read.
pub fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"EDGE_CACHE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the binary to its end.
///
/// # Errors
///
/// The binary can't be started, or runs on.
pub async fn run_to_end(args: &[&str]) -> Result<Ended> {
    run_within(args, ENDED_WITHIN).await
}

/// Runs the agent's binary to its end, within a time.
///
/// # Errors
///
/// The binary can't be started, or runs on.
pub async fn run_within(args: &[&str], time: Duration) -> Result<Ended> {
    let output = command(binary()?)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(time, output).await.context("it runs on")??;
    Ok(Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

impl Agent {
    /// Starts `run` with these flags and a free HTTP port, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// With what it said, where it does not become ready.
    pub async fn start(args: &[&str]) -> Result<Self> {
        Self::start_by(&[], args).await
    }

    /// Starts it through another program, which must become the agent.
    ///
    /// # Errors
    ///
    /// With what it said, where it does not become ready.
    pub async fn start_by(launcher: &[&str], args: &[&str]) -> Result<Self> {
        let binary = binary()?.to_str().context("the path is not text")?;
        let mut words = launcher.iter().copied().chain([binary]);
        let mut child = command(words.next().unwrap_or(binary))
            .args(words)
            .args(["run", "--http-listen", "127.0.0.1:0"])
            .args(args)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (gossip, http) = timeout(READY_WITHIN, addresses(stdout))
            .await
            .context("it did not become ready")??;
        Ok(Self {
            http,
            gossip,
            child,
            client: client(&[])?,
        })
    }

    /// Sends a request with a JSON body, or without any.
    ///
    /// # Errors
    ///
    /// Where there is no answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await
    }

    /// Returns the id of its process.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn process_id(&self) -> Result<u32> {
        self.child.id().context("it has ended already")
    }

    /// A request to be completed; see [`answer`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.http))
    }

    /// The body of a `GET` that succeeds.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.ask(Method::GET, path, None).await?;
        if answer.status != StatusCode::OK {
            bail!("GET {path}: {answer:?}");
        }
        Ok(answer.body)
    }

    /// The labels of a peer as this agent sees it.
    ///
    /// # Errors
    ///
    /// Where the agent does not answer.
    pub async fn labels_of(&self, node_id: u64) -> Result<Option<Value>> {
        let peers = self.get("/api/v1/cluster/gossip/peers").await?;
        let peers = peers.as_array().context("no array")?;
        Ok(peers
            .iter()
            .find(|peer| peer.get("node_id") == Some(&node_id.into()))
            .and_then(|peer| peer.get("labels").cloned()))
    }

    /// Ends it as an operator would, and answers its exit status.
    ///
    /// # Errors
    ///
    /// Where it runs on.
    pub async fn terminate(self) -> Result<Option<i32>> {
        self.signal(rustix::process::Signal::TERM)?;
        self.ended().await
    }

    /// Waits for its end, and answers its exit status.
    ///
    /// # Errors
    ///
    /// Where it runs on.
    pub async fn ended(mut self) -> Result<Option<i32>> {
        let status = timeout(ENDED_WITHIN, self.child.wait())
            .await
            .context("it runs on")??;
        Ok(status.code())
    }

    /// Has it read its files again.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn hang_up(&self) -> Result<()> {
        self.signal(rustix::process::Signal::HUP)
    }

    /// Ends it without any warning while others still talk to it.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn cut_power(&self) -> Result<()> {
        self.signal(rustix::process::Signal::KILL)
    }

    /// Asks it to end, while others still talk to it.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn ask_to_end(&self) -> Result<()> {
        self.signal(rustix::process::Signal::TERM)
    }

    /// Ends it without any warning, as a power cut would.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let id = self.process_id()?;
        let pid = rustix::process::Pid::from_raw(i32::try_from(id)?).context("no process")?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }
}

/// Sends a request and reads the whole answer. An agent that has not heard from its peers yet is asked again.
///
/// # Errors
///
/// Where there is none.
pub async fn answer(request: reqwest::RequestBuilder) -> Result<Answer> {
    let start = Instant::now();
    loop {
        let next = request
            .try_clone()
            .context("a stream can't be sent again")?;
        let answer = send(next).await?;
        let is_early = answer.body.get("type") == Some(&"/problems/not-met".into());
        if !is_early || start.elapsed() > JOINED_WITHIN {
            return Ok(answer);
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn send(request: reqwest::RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let status = response.status();
    let content_type = response
        .headers()
        .get(reqwest::header::CONTENT_TYPE)
        .map(|value| value.to_str().map(str::to_string))
        .transpose()?
        .unwrap_or_default();
    let text = response.text().await?;
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    Ok(Answer {
        status,
        content_type,
        body,
    })
}

/// Reads the lines that an agent prints when it is ready; the one about HTTP is the last.
async fn addresses(
    stdout: tokio::process::ChildStdout,
) -> Result<(Option<SocketAddr>, SocketAddr)> {
    let mut lines = BufReader::new(stdout).lines();
    let mut gossip = None;
    while let Some(line) = lines.next_line().await? {
        match line.split_once('=') {
            Some(("gossip", address)) => gossip = Some(address.parse()?),
            Some(("http", address)) => {
                let http = address.parse()?;
                // The pipe must be read on, or the agent could not write to it.
                tokio::spawn(async move { lines.into_inner().read_to_end(&mut Vec::new()).await });
                return Ok((gossip, http));
            }
            _ => {}
        }
    }
    bail!("it ended before it was ready")
}
