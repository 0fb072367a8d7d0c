//! Feeders as processes, and what stands around them: a proxy to the agent, a log in a pipe, a varnishstat of ours.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use edge_cache_tests::agent::{binary, client};
use edge_cache_tests::proxies::Server;
use edge_cache_tests::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::SOON;

/// A feeder as a process, which is killed when this is dropped.
pub(super) struct Feeder {
    pub(super) child: Child,
    pub(super) said: PathBuf,
}

impl Feeder {
    /// Starts a feeder that puts every second, through something that sends every request twice.
    pub(super) fn start(kind: &str, args: &[&str], folder: &Path, input: Stdio) -> Self {
        let said = folder.join(format!("feed-{kind}"));
        let child = Command::new(binary().unwrap())
            .args(["feed", kind, "--every", "1s"])
            .args(args)
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&said).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, said }
    }

    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }

    /// Waits for its end, and returns its exit code.
    pub(super) async fn ended(mut self) -> Option<i32> {
        let status = timeout(SOON, self.child.wait()).await;
        status.expect("it runs on").unwrap().code()
    }

    pub(super) async fn terminate(self) -> Option<i32> {
        let id = self.child.id().unwrap().try_into().unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
        self.ended().await
    }
}

/// A proxy in front of an agent, which sends every request twice and gives the second answer back.
#[derive(Clone)]
pub(super) struct Twice {
    address: SocketAddr,
    pub(super) agent: Arc<Mutex<SocketAddr>>,
}

impl Twice {
    pub(super) async fn start(agent: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twice = Self {
            address: listener.local_addr().unwrap(),
            agent: Arc::new(Mutex::new(agent)),
        };
        let routes = Router::new().fallback(pass_on).with_state(twice.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        twice
    }
}

async fn pass_on(
    State(twice): State<Twice>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, Bytes) {
    let agent = *twice.agent.lock().unwrap();
    let mut last = (StatusCode::BAD_GATEWAY, Bytes::new());
    for _ in 0..2 {
        let request = client(&[])
            .unwrap()
            .request(method.clone(), format!("http://{agent}{uri}"));
        let request = request
            .header("content-type", "application/json")
            .body(body.clone());
        last = match request.send().await {
            Ok(response) => (
                response.status(),
                response.bytes().await.unwrap_or_default(),
            ),
            Err(_) => (StatusCode::BAD_GATEWAY, Bytes::new()),
        };
    }
    last
}

/// The log of nginx in the pipe of a feeder.
pub(super) struct Piped {
    tail: Child,
    pub(super) feeder: Feeder,
}

impl Piped {
    pub(super) fn start(nginx: &Server, at: &Twice, from: &str) -> Self {
        let log = nginx.folder().join("status.log");
        let mut tail = Command::new("tail")
            .args(["-n", from, "-F"])
            .arg(log)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pipe: Stdio = tail.stdout.take().unwrap().try_into().unwrap();
        let args = ["--node", "1", "--addr", &at.address.to_string()];
        let feeder = Feeder::start("log", &args, nginx.folder(), pipe);
        Self { tail, feeder }
    }

    pub(super) async fn ended(mut self) -> Option<i32> {
        self.tail.kill().await.unwrap();
        self.feeder.ended().await
    }
}

pub(super) fn feed_varnish(varnish: &Server, at: &Twice) -> Feeder {
    let (address, instance) = (at.address.to_string(), varnish.instance());
    let instance = instance.to_str().unwrap();
    let args = ["--node", "2", "--addr", &address, "--instance", instance];
    Feeder::start("varnish", &args, varnish.folder(), Stdio::null())
}

/// A program in the place of varnishstat, which prints what the test says.
pub(super) struct FakeStat {
    pub(super) program: PathBuf,
    /// The hits, and when the cache was started.
    state: PathBuf,
    calls: PathBuf,
}

impl FakeStat {
    pub(super) fn new(folder: &Path) -> Self {
        let [program, state, calls] = ["stat", "state", "calls"].map(|name| folder.join(name));
        let script = format!(
            r#"#!/bin/sh
            echo >> {calls}
            read -r hits start < {state}
            uptime=$(($(date +%s) - start))
            printf '{{"MAIN.cache_hit":{{"value":%s}},"MAIN.cache_miss":{{"value":0}},"MAIN.uptime":{{"value":%s}}}}' "$hits" "$uptime"
            "#,
            calls = calls.display(),
            state = state.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
        Self {
            program,
            state,
            calls,
        }
    }

    /// Sets the state, and waits until it was read some times.
    pub(super) async fn say(&self, hits: &str, start: u64) {
        let fresh = self.state.with_extension("fresh");
        std::fs::write(&fresh, format!("{hits} {start}\n")).unwrap();
        std::fs::rename(fresh, &self.state).unwrap();
        let calls = || std::fs::read(&self.calls).unwrap_or_default().len();
        let before = calls();
        until("some calls", SOON, || async {
            let now = calls();
            if now >= before + 5 { Ok(()) } else { Err(now) }
        })
        .await;
    }
}
