//! A real browser without a window, driven over WebDriver.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::agent::client;
use crate::debian::{CHROMIUM, CHROMIUM_DRIVER};

/// The time limit of one command, such as a page that is loaded.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
/// Flags for a browser that asks nobody but the page's own server.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
];

/// A running browser with one tab. It is killed when this is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    client: Client,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser; none, said on standard output, where it is not installed.
    ///
    /// # Errors
    ///
    /// With what the driver said, where it does not start.
    pub async fn start() -> Result<Option<Self>> {
        let (Some(browser), Some(driver)) = (CHROMIUM.program(), CHROMIUM_DRIVER.program()) else {
            return Ok(None);
        };
        let profile = tempfile::tempdir()?;
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = driver.stdout.take().context("no pipe")?;
        let port = timeout(COMMAND_WITHIN, port(stdout)).await??;
        let client = client(&[])?;
        let folder = format!("--user-data-dir={}", profile.path().display());
        let flags: Vec<&str> = FLAGS.into_iter().chain([&*folder]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": browser, "args": flags},
        }}});
        let sessions = format!("http://127.0.0.1:{port}/session");
        let made = command(&client, Method::POST, &sessions, Some(&wanted)).await?;
        let id = made.get("sessionId").and_then(Value::as_str);
        let id = id.context("no session")?;
        Ok(Some(Self {
            driver,
            client,
            session: format!("{sessions}/{id}"),
            _profile: profile,
        }))
    }

    /// Loads a page.
    ///
    /// # Errors
    ///
    /// The page cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.post("url", json!({ "url": url })).await.map(drop)
    }

    /// Runs the body of a function in the page, and returns what it returns.
    ///
    /// # Errors
    ///
    /// The script throws.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        let body = json!({"script": script, "args": arguments});
        self.post("execute/sync", body).await
    }

    /// Sets the size of the page and its colours, `light` or `dark`.
    ///
    /// # Errors
    ///
    /// The driver refuses.
    pub async fn look_at(&self, width: u32, height: u32, colours: &str) -> Result<()> {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await?;
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": colours}]});
        self.devtools("Emulation.setEmulatedMedia", features).await
    }

    /// Types into the element that this selector finds.
    ///
    /// # Errors
    ///
    /// There is no such element, or nobody can type into it.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let found = json!({"using": "css selector", "value": selector});
        let found = self.post("element", found).await?;
        let id = found.as_object().and_then(|ids| ids.values().next());
        let id = id.and_then(Value::as_str).context("no element")?;
        let path = format!("element/{id}/value");
        self.post(&path, json!({ "text": text })).await.map(drop)
    }

    /// Returns the lines that the browser has written to its console since the last call: errors of scripts and of
    /// requests, and violations of the page's policy.
    ///
    /// # Errors
    ///
    /// The driver refuses.
    pub async fn log(&self) -> Result<Vec<String>> {
        let lines = self.post("se/log", json!({"type": "browser"})).await?;
        let lines = lines.as_array().context("no lines")?.iter();
        let text = |line: &Value| format!("{} {}", line["level"], line["message"]);
        Ok(lines.map(text).collect())
    }

    /// Returns a picture of the page, as PNG.
    ///
    /// # Errors
    ///
    /// The driver refuses.
    pub async fn picture(&self) -> Result<Vec<u8>> {
        let url = format!("{}/screenshot", self.session);
        let picture = command(&self.client, Method::GET, &url, None).await?;
        Ok(STANDARD.decode(picture.as_str().context("no picture")?)?)
    }

    /// Returns the time that all processes of the browser have computed.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn computed(&self) -> Result<Duration> {
        let profile = self._profile.path().display().to_string();
        let mut ticks = 0;
        for process in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
            // A process may end meanwhile.
            let read =
                |name| std::fs::read_to_string(process.path().join(name)).unwrap_or_default();
            if read("cmdline").contains(&profile) {
                let stat = read("stat");
                let fields = stat.rsplit(')').next().unwrap_or_default();
                let times = fields.split_whitespace().skip(11).take(2);
                ticks += times
                    .filter_map(|time| time.parse::<u64>().ok())
                    .sum::<u64>();
            }
        }
        Ok(Duration::from_millis(
            ticks * 1_000 / rustix::param::clock_ticks_per_second(),
        ))
    }

    async fn devtools(&self, name: &str, params: Value) -> Result<()> {
        let body = json!({"cmd": name, "params": params});
        self.post("goog/cdp/execute", body).await.map(drop)
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let url = format!("{}/{path}", self.session);
        command(&self.client, Method::POST, &url, Some(&body)).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let id = self.driver.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // The driver leads its group, in which the browser is too.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn command(
    client: &Client,
    method: Method,
    url: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let mut request = client.request(method, url).timeout(COMMAND_WITHIN);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await?;
    let is_done = answer.status().is_success();
    let mut answer: Value = answer.json().await?;
    let value = answer.get_mut("value").map_or(Value::Null, Value::take);
    ensure!(is_done, "{url}: {value}");
    Ok(value)
}

/// Reads what the driver says when it is ready.
async fn port(stdout: tokio::process::ChildStdout) -> Result<u16> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            // The pipe must be read on, or the driver could not write to it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(port.trim_end_matches('.').parse()?);
        }
    }
    anyhow::bail!("the driver ended before it was ready")
}
