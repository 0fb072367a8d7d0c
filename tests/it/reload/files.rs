//! An agent with every file that a reload reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use edge_cache_tests::agent::{Answer, Ended, answer, client, run_to_end, write_secret};
use edge_cache_tests::component::reference_bytes;
use edge_cache_tests::prometheus::Scrape;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

use super::{AGENT, RELOAD};
use crate::access::{Token, token, write};
use crate::gossip_node::{Node, keygen};

/// The name for which plugins are signed.
const IDENTITY: &str = "registry.example/edge/cache";
/// The variable that the tests' agents have for their log; the settings file says it here.
pub(crate) const WITHOUT_LOG: [&str; 3] = ["env", "-u", "RUST_LOG"];

/// The names by which the tests reach agents.
const HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    pub(crate) fn valid() -> Result<Self> {
        Self::of_years(2001, 2300)
    }

    pub(crate) fn of_years(from: i32, until: i32) -> Result<Self> {
        Self::of(HOSTS, |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
        })
    }

    pub(crate) fn for_another_host() -> Result<Self> {
        Self::of(["elsewhere.example", "192.0.2.1"], |_| {})
    }

    pub(crate) fn until(end: SystemTime) -> Result<Self> {
        let end = end.duration_since(SystemTime::UNIX_EPOCH)?;
        Self::of(HOSTS, |params| {
            params.not_after = date_time_ymd(1970, 1, 1) + end;
        })
    }

    fn of(hosts: [&str; 2], set: impl FnOnce(&mut CertificateParams)) -> Result<Self> {
        let mut params = CertificateParams::new(hosts.map(str::to_string))?;
        set(&mut params);
        let key = KeyPair::generate()?;
        Ok(Self {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// The files of an agent, in a folder.
pub(crate) struct Files {
    folder: TempDir,
    pub(crate) admin: Token,
    pub(crate) first: Pair,
    pub(crate) component: &'static [u8],
    signer: String,
}

impl Files {
    pub(crate) async fn new() -> Result<Self> {
        let mut files = Self {
            folder: tempfile::tempdir()?,
            admin: token("ops", "admin").await,
            first: Pair::valid()?,
            component: reference_bytes()?,
            signer: String::new(),
        };
        files.tokens(&[&files.admin]);
        write_secret(&files.path("keys"), keygen().await)?;
        files.certificate(&files.first, &files.first)?;
        let ended = run_to_end(&["plugin", "keygen", &files.text("signer")]).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
        files.signer = ended.stdout;
        files.trust("")?;
        files.plugin(files.component)?;
        files.sign().await?;
        files.settings("info", "")?;
        Ok(files)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn tokens(&self, tokens: &[&Token]) {
        write(&self.path("tokens"), tokens);
    }

    pub(crate) fn certificate(&self, certificate: &Pair, key: &Pair) -> Result<()> {
        fs::write(self.path("cert.pem"), &certificate.certificate)?;
        Ok(write_secret(&self.path("key.pem"), &key.key)?)
    }

    /// Writes a rule for everything that the signer signed, with more lines.
    pub(crate) fn trust(&self, more: &str) -> Result<()> {
        let rule = format!("repository = \"*\"\nall_of = [\"signer\"]\nidentity = \"{IDENTITY}\"");
        let text = format!("[keys]\n{}[[rules]]\n{rule}\n{more}\n", self.signer);
        Ok(fs::write(self.path("trust.toml"), text)?)
    }

    pub(crate) fn plugin(&self, bytes: &[u8]) -> Result<()> {
        Ok(fs::write(self.path("p.wasm"), bytes)?)
    }

    /// Signs the plugin file.
    pub(crate) async fn sign(&self) -> Result<()> {
        let (plugin, key) = (self.text("p.wasm"), self.text("signer"));
        let args = ["plugin", "sign", &plugin, "--key", &key];
        let ended = run_to_end(&[&args[..], &["--identity", IDENTITY]].concat()).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
        Ok(())
    }

    /// Writes the settings file, with more sections.
    pub(crate) fn settings(&self, level: &str, more: &str) -> Result<()> {
        self.settings_of(&self.path("p.wasm"), level, more)
    }

    /// Writes the settings file for a plugin, with more sections.
    pub(crate) fn settings_of(&self, plugin: &Path, level: &str, more: &str) -> Result<()> {
        let text = format!(
            "api_token_file = {:?}\nlog.level = {level:?}\nhttp.tls_cert_file = {:?}\nhttp.tls_key_file = {:?}\n\
             plugin.source = {:?}\nplugin.trust = {:?}\ngossip.key_file = {:?}\n",
            self.path("tokens"),
            self.path("cert.pem"),
            self.path("key.pem"),
            plugin,
            self.path("trust.toml"),
            self.path("keys"),
        );
        // A section may be opened once.
        let (gossip, more) = match more.strip_prefix("[gossip]\n") {
            Some(more) => {
                let (line, more) = more.split_once('\n').context("no line")?;
                (format!("gossip.{line}\n"), more)
            }
            None => (String::new(), more),
        };
        let more = more.replace("[plugin.settings]\n", "plugin.settings.");
        Ok(fs::write(
            self.path("agent.toml"),
            format!("{text}{gossip}{more}"),
        )?)
    }

    pub(crate) fn flags(&self) -> [String; 4] {
        let listen = ["--gossip-listen", "127.0.0.1:0"].map(str::to_string);
        let [flag, address] = listen;
        [
            flag,
            address,
            "--config".to_string(),
            self.text("agent.toml"),
        ]
    }

    pub(crate) async fn start(&self) -> Result<Running> {
        let flags = self.flags();
        let flags = flags.each_ref().map(String::as_str);
        self.start_with(&WITHOUT_LOG, &flags).await
    }

    pub(crate) async fn start_with(&self, launcher: &[&str], flags: &[&str]) -> Result<Running> {
        let node = Node::start_with(launcher, 1, flags).await?;
        Running {
            client: client(&[])?,
            ca: self.text("ca.pem"),
            token: self.text("admin.token"),
            secret: self.admin.secret.clone(),
            node: node.into(),
        }
        .trusting(&self.first)
    }
}

/// A running agent, and a client that trusts one certificate.
pub(crate) struct Running {
    pub(crate) node: std::sync::Arc<Node>,
    client: Client,
    secret: String,
    ca: String,
    token: String,
}

impl Running {
    /// Returns the same agent for a client without connections that trusts this certificate alone.
    pub(crate) fn trusting(&self, pair: &Pair) -> Result<Self> {
        fs::write(&self.ca, &pair.certificate)?;
        write_secret(self.token.as_ref(), &self.secret)?;
        Ok(Self {
            node: self.node.clone(),
            client: client(&[&pair.certificate])?,
            secret: self.secret.clone(),
            ca: self.ca.clone(),
            token: self.token.clone(),
        })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("https://{}{path}", self.node.http);
        self.client.request(method, url)
    }

    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<Answer> {
        answer(self.request(method, path).bearer_auth(&self.secret)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.ask(Method::GET, path).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(answer.body)
    }

    pub(crate) async fn reload(&self) -> Result<Value> {
        let answer = self.ask(Method::POST, RELOAD).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(answer.body)
    }

    pub(crate) async fn scrape(&self) -> Result<Scrape> {
        let text = self.get("/metrics").await?;
        Scrape::parse(text.as_str().context("no text")?)
    }

    /// Returns the setting of the log in effect.
    pub(crate) async fn level(&self) -> Result<Value> {
        let agent = self.get(AGENT).await?;
        let settings = agent["settings"].as_array().context("no settings")?;
        let level = settings.iter().find(|it| it["key"] == "log.level");
        Ok(level.context("no level")?["value"].clone())
    }

    /// Runs a command for this agent.
    pub(crate) async fn command(&self, words: &[&str]) -> Result<Ended> {
        let addr = format!("https://{}", self.node.http);
        let connection = [
            "--addr",
            &addr,
            "--ca-file",
            &self.ca,
            "--token-file",
            &self.token,
        ];
        run_to_end(&[words, &connection].concat()).await
    }
}
