//! Caches, their agents and an origin, with the proxies that the page `traffic.md` configures in front of them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use edge_cache_tests::agent::client;
use edge_cache_tests::debian::NGINX;
use edge_cache_tests::foreign::venv;
use edge_cache_tests::proxies::{Origin, Server, block, free_address, get_all};
use edge_cache_tests::wait::until;
use reqwest::{Client, Method};

use crate::traffic::{FAST, Node, SOON, decide, expect_caches, meet, route, start};

/// The header by which a cache of these tests says which one it is.
pub(crate) const CACHE: &str = "x-cache-node";

/// The kinds of proxies of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Envoy,
    Nginx,
    Caddy,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Envoy, Self::Nginx, Self::Caddy];

    /// Starts a proxy that asks this agent; none where its program is not there.
    pub(crate) async fn start(self, agent: SocketAddr, caches: &[SocketAddr]) -> Option<Server> {
        let place = |text: &str, address: SocketAddr| {
            let mut text = text
                .replace("127.0.0.1:8000", &address.to_string())
                .replace(
                    "port_value: 8000",
                    &format!("port_value: {}", address.port()),
                )
                .replace("http://:8000", &format!("http://:{}", address.port()))
                .replace("127.0.0.1:7949", &agent.to_string())
                .replace("port_value: 7949", &format!("port_value: {}", agent.port()));
            for (index, cache) in caches.iter().enumerate() {
                text = text.replace(&format!("127.0.0.1:808{}", index + 1), &cache.to_string());
            }
            text
        };
        let program = match self {
            Self::Nginx => {
                let http = block("nginx as proxy")
                    .unwrap()
                    .replace("listen 127.0.0.1:8000", "listen LISTEN");
                let http = place(&http, agent);
                return Some(Server::nginx(NGINX.program()?, &http).await.unwrap());
            }
            Self::Envoy => programs()?.join("envoy"),
            Self::Caddy => programs()?.join("caddy"),
        };
        let program = program.display().to_string();
        let words = |folder: &Path, address: SocketAddr| -> Result<Vec<String>> {
            let (heading, file) = match self {
                Self::Envoy => ("Envoy", "envoy.yaml"),
                _ => ("Caddy", "Caddyfile"),
            };
            let file = folder.join(file);
            let admin = free_address()?.port();
            let admin = format!(
                "admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {admin} }} }} }}\n"
            );
            let more = if self == Self::Envoy { &admin } else { "" };
            fs::write(&file, place(block(heading)?, address) + more)?;
            let file = file.to_str().context("no text")?;
            Ok(match self {
                Self::Envoy => [
                    &*program,
                    "-c",
                    file,
                    "--concurrency",
                    "1",
                    "--disable-hot-restart",
                    "-l",
                    "warn",
                ]
                .map(str::to_string)
                .to_vec(),
                _ => [&*program, "run", "--config", file]
                    .map(str::to_string)
                    .to_vec(),
            })
        };
        Some(Server::start(words).await.unwrap())
    }
}

/// Returns the folder with Envoy and Caddy.
fn programs() -> Option<PathBuf> {
    let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("proxies/requirements.txt");
    venv("proxies", &pins).unwrap()
}

/// Starts a cache as the page says, which names its node in each response.
async fn cache(node: u64, origin: &Origin) -> Option<Server> {
    let http = block("nginx as cache")
        .unwrap()
        .replace("127.0.0.1:8081", "LISTEN")
        .replace("127.0.0.1:9000", &origin.address.to_string())
        .replace("/var/cache/edge", "FOLDER/cache")
        .replace(
            "location / {",
            &format!("location / {{\nadd_header {CACHE} {node} always;"),
        );
    Some(Server::nginx(NGINX.program()?, &http).await.unwrap())
}

/// Three caches, an origin, and the agents of the caches' nodes, which proxies ask too.
pub(crate) struct Site {
    pub(crate) agents: Vec<Node>,
    pub(crate) caches: Vec<Server>,
    pub(crate) origin: Origin,
    pub(crate) client: Client,
}

impl Site {
    /// Starts everything but the proxy; none where nginx is not there.
    pub(crate) async fn start(args: &[&str]) -> Option<Self> {
        let origin = Origin::start().await.unwrap();
        let (mut agents, mut caches) = (Vec::<Node>::new(), Vec::new());
        for id in 1..=3 {
            let cache = cache(id, &origin).await?;
            let agent = start(id, cache.address, agents.first(), args).await;
            caches.push(cache);
            agents.push(agent);
        }
        meet(&agents.iter().collect::<Vec<_>>(), SOON).await;
        for id in 1..=3 {
            decide(&agents[0], Method::POST, id).await;
        }
        for agent in &agents {
            expect_caches(agent, 3).await;
        }
        Some(Self {
            agents,
            caches,
            origin,
            client: client(&[]).unwrap(),
        })
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.caches.iter().map(|cache| cache.address).collect()
    }

    /// Starts an agent for proxies, whose node serves no keys, with its traffic listener at this address.
    pub(crate) async fn ask_at(&self, traffic: SocketAddr) -> Node {
        let (listen, seed) = (traffic.to_string(), self.agents[0].gossip.to_string());
        let args = [&FAST[..4], &["--seed", &seed, "--traffic-listen", &listen]].concat();
        Node::start(9, &args).await.unwrap()
    }

    /// Starts all proxies whose programs are there, and waits until each follows this agent.
    pub(crate) async fn proxies(&self, agent: SocketAddr) -> Vec<(Kind, Server)> {
        let mut proxies = Vec::new();
        for kind in Kind::ALL {
            if let Some(proxy) = kind.start(agent, &self.addresses()).await {
                self.expect_followed(kind, &proxy).await;
                proxies.push((kind, proxy));
            }
        }
        proxies
    }

    /// Sends these paths through a proxy, and returns the node of the cache that answered each.
    pub(crate) async fn ask(&self, proxy: &Server, paths: &[String]) -> Result<Vec<u64>> {
        let urls = paths.iter().map(|path| proxy.url(path));
        get_all(&self.client, urls, |response| async move {
            let node = response.headers().get(CACHE).context("no cache")?;
            Ok(node.to_str()?.parse()?)
        })
        .await
    }

    /// Waits until a proxy sends paths of its own to the caches that an agent names first.
    pub(crate) async fn expect_followed(&self, kind: Kind, proxy: &Server) {
        let paths = paths(&format!("wait-for-{kind:?}"), 20);
        let nodes = firsts(&self.routes(&paths).await);
        let what = format!("{kind:?} follows the agent");
        until(&what, SOON, async || match self.ask(proxy, &paths).await {
            Ok(seen) if seen == nodes => Ok(()),
            seen => Err(format!("{seen:?}, not {nodes:?}")),
        })
        .await;
    }

    /// Returns the nodes of each path, best first, as an agent routes.
    pub(crate) async fn routes(&self, paths: &[String]) -> Vec<Vec<u64>> {
        let mut routes = Vec::new();
        for path in paths {
            let (ids, _) = route(&self.agents[0], path).await;
            routes.push(ids.split(',').map(|id| id.parse().unwrap()).collect());
        }
        routes
    }
}

pub(crate) fn paths(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|key| format!("/{prefix}/{key}")).collect()
}

pub(crate) fn firsts(routes: &[Vec<u64>]) -> Vec<u64> {
    routes.iter().map(|nodes| nodes[0]).collect()
}
