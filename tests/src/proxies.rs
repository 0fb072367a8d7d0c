//! Real proxies and caches as processes, each with a configuration made for it, and an origin that counts.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use futures_util::{StreamExt, stream};
use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Maximum time for a server to accept connections, and to end.
const READY_WITHIN: Duration = Duration::from_secs(30);
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// Interval between two looks at a server that starts.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Number of ports that are tried: another process may take a free one.
const PORTS_TRIED: usize = 5;
/// Number of requests that are under way at once.
const AT_ONCE: usize = 16;
const LOOPBACK: &str = "127.0.0.1:0";
/// The page with the configurations of proxies and caches.
const PAGE: &str = include_str!("../../host/docs/traffic.md");

/// Returns the first block of code below a heading of the page `traffic.md`.
///
/// # Errors
///
/// There is none.
pub fn block(heading: &str) -> Result<&'static str> {
    let section = PAGE.split_once(&format!("\n## {heading}\n"));
    let fenced = section.and_then(|(_, section)| section.split_once("```"));
    let code = fenced.and_then(|(_, fenced)| fenced.split_once('\n'));
    let code = code.and_then(|(_, code)| code.split_once("```"));
    Ok(code.with_context(|| format!("no code below {heading}"))?.0)
}

/// A running server with a folder and an address of its own. It is killed, with its children, when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// The address that it serves, the same for all its lives.
    pub address: SocketAddr,
    folder: TempDir,
    command: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts the server whose command `make` returns for a folder and an address, and waits until it accepts
    /// connections. `make` writes the configuration into the folder.
    ///
    /// # Errors
    ///
    /// With what it said, where it does not start.
    pub async fn start(make: impl Fn(&Path, SocketAddr) -> Result<Vec<String>>) -> Result<Self> {
        let mut last = None;
        for _ in 0..PORTS_TRIED {
            let folder = tempfile::tempdir()?;
            let address = free_address()?;
            let command = make(folder.path(), address)?;
            let mut server = Self {
                address,
                folder,
                command,
                child: None,
            };
            match server.start_again().await {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no port was tried")?)
    }

    /// Starts nginx with these directives in `http { … }`, in which `LISTEN` is the address and `FOLDER` the folder.
    ///
    /// # Errors
    ///
    /// With what it said, where it does not start.
    pub async fn nginx(program: &str, http: &str) -> Result<Self> {
        Self::start(|folder, address| {
            let place = folder.display();
            let http = http
                .replace("LISTEN", &address.to_string())
                .replace("FOLDER", &place.to_string());
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("    {kind}_temp_path {place}/{kind};\n"))
                .concat();
            let config = format!(
                "daemon off;\nuser root;\nworker_processes 1;\npid {place}/pid;\nerror_log {place}/error.log notice;\n\
                 events {{ worker_connections 1024; }}\nhttp {{\n    access_log off;\n{temporary}{http}\n}}\n"
            );
            let file = folder.join("nginx.conf");
            fs::write(&file, config)?;
            let log = folder.join("error.log");
            Ok(vec![
                program.to_string(),
                "-c".to_string(),
                file.display().to_string(),
                "-e".to_string(),
                log.display().to_string(),
                "-p".to_string(),
                place.to_string(),
            ])
        })
        .await
    }

    /// Starts Varnish with this VCL.
    ///
    /// # Errors
    ///
    /// With what it said, where it does not start.
    pub async fn varnish(program: &str, vcl: &str) -> Result<Self> {
        Self::start(|folder, address| {
            let file = folder.join("default.vcl");
            fs::write(&file, vcl)?;
            let words = format!(
                "{program} -F -j none -n {place} -f {file} -a {address} -s malloc,64m -T none",
                place = folder.join("varnish").display(),
                file = file.display(),
            );
            Ok(words.split(' ').map(str::to_string).collect())
        })
        .await
    }

    /// Returns the folder of Varnish's instance, which its tools take after `-n`.
    pub fn instance(&self) -> PathBuf {
        self.folder().join("varnish")
    }

    /// Returns the folder, which stays over restarts.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Starts the server again at its address, after [`Self::stop`] or [`Self::kill`].
    ///
    /// # Errors
    ///
    /// With what it said, where it does not start.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "it runs");
        let said = self.folder().join("output");
        let output = fs::File::create(&said)?;
        let (program, args) = self.command.split_first().context("no command")?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| program.clone())?;
        let child = self.child.insert(child);
        let start = Instant::now();
        loop {
            let ended = child.try_wait()?;
            if let Some(status) = ended {
                self.child = None;
                bail!("it ended with {status}: {}", fs::read_to_string(said)?);
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            if start.elapsed() > READY_WITHIN {
                bail!("it does not listen: {}", fs::read_to_string(said)?);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the server as an operator would.
    ///
    /// # Errors
    ///
    /// Where it runs on.
    pub async fn stop(&mut self) -> Result<()> {
        let child = self.child.as_mut().context("it does not run")?;
        kill_process(pid_of(child)?, Signal::TERM)?;
        timeout(ENDED_WITHIN, child.wait())
            .await
            .context("it runs on")??;
        self.child = None;
        Ok(())
    }

    /// Ends the server and its children without any warning.
    ///
    /// # Errors
    ///
    /// Where the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        if let Ok(pid) = pid_of(&child) {
            kill_process_group(pid, Signal::KILL)?;
        }
        child.wait().await?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let running = self.child.as_ref().map(pid_of);
        if let Some(Ok(pid)) = running {
            // It may have ended by itself.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

fn pid_of(child: &Child) -> Result<Pid> {
    let id = child.id().context("it has ended already")?;
    Pid::from_raw(i32::try_from(id)?).context("no process")
}

/// Returns an address of loopback that is free now.
///
/// # Errors
///
/// There is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(LOOPBACK)?.local_addr()?)
}

/// An origin in the test's process that answers every path with 200, may be cached for an hour, and counts.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The address that it serves.
    pub address: SocketAddr,
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Origin {
    /// Starts an origin, which serves until the test's runtime ends.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(LOOPBACK).await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<BTreeMap<String, u64>>>::default();
        let origin = Self { address, seen };
        let routes = Router::new().fallback(answer).with_state(origin.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(origin)
    }

    /// Returns how often each path with its query was asked for.
    pub fn seen(&self) -> BTreeMap<String, u64> {
        self.lock().clone()
    }

    /// Returns the number of requests.
    pub fn requests(&self) -> u64 {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    State(origin): State<Origin>,
    request: Request,
) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    let path = request.uri().to_string();
    *origin.lock().entry(path.clone()).or_default() += 1;
    ([(CACHE_CONTROL, "max-age=3600")], path)
}

/// Sends these requests, 16 at once, and returns what `read` makes of each response, in the order of the URLs.
///
/// # Errors
///
/// Where a request has no answer, or one that is not 200.
pub async fn get_all<T, F: Future<Output = Result<T>>>(
    client: &Client,
    urls: impl IntoIterator<Item = String>,
    read: impl Fn(reqwest::Response) -> F,
) -> Result<Vec<T>> {
    let read = &read;
    let responses = urls.into_iter().map(|url| async move {
        let response = client.get(&url).send().await?;
        ensure!(response.status() == StatusCode::OK, "{url}: {response:?}");
        read(response).await
    });
    let responses: Vec<_> = stream::iter(responses).buffered(AT_ONCE).collect().await;
    responses.into_iter().collect()
}
