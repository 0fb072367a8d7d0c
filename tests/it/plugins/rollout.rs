//! `plugin rollout` over five agents: under load, and with a refusal on the way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use edge_cache_distribution::{Publication, Reference};
use edge_cache_tests::agent::{Ended, run_within};
use edge_cache_tests::component::{reference_bytes, with_section};
use edge_cache_tests::proxies::Server;
use edge_cache_tests::registry::{client, docker_registry, publication, quick};
use edge_cache_tests::wait::until;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::gossip_node::{Node, meet};

mod false_addresses;
mod members;

const AGENTS: u64 = 5;
/// The first node that the changes are about: no agent runs there.
const FIRST: u64 = 1_000;
const ROLLED_WITHIN: Duration = Duration::from_secs(120);
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// The time between two changes: 100 a second.
const CHANGE_EVERY: Duration = Duration::from_millis(10);

struct Cluster {
    /// Serves as long as the cluster exists.
    _registry: Server,
    reference: Reference,
    nodes: Vec<Node>,
}

impl Cluster {
    /// Starts agents that declare the plugin of a registry. The arguments are added for one of them.
    async fn start(special: u64, more: &[&str]) -> Result<Option<Self>> {
        let Some(registry) = docker_registry(None, false).await? else {
            return Ok(None);
        };
        let reference: Reference = format!("oci://{}/acme/plugin:1", registry.address).parse()?;
        push(&reference, &version(b"1")?).await?;
        let source = reference.to_string();
        let mut nodes: Vec<Node> = Vec::new();
        for id in 1..=AGENTS {
            let seed = nodes.first().map(|first| first.gossip.to_string());
            let mut args = vec!["--allow-local-admin", "--plugin-registry-plain-http"];
            args.extend(["--plugin", &*source]);
            args.extend(["--gossip-interval", "100ms"]);
            if let Some(seed) = &seed {
                args.extend(["--seed", seed]);
            }
            if id == special {
                args.extend(more);
            }
            nodes.push(Node::start(id, &args).await?);
        }
        meet(&nodes.iter().collect::<Vec<_>>(), SEEN_WITHIN).await;
        Ok(Some(Self {
            _registry: registry,
            reference,
            nodes,
        }))
    }

    fn agents(&self) -> String {
        let addresses = self.nodes.iter().map(|node| node.http.to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    async fn rollout(&self, reference: &Reference, more: &[&str]) -> Result<Ended> {
        let (reference, agents) = (reference.to_string(), self.agents());
        let args = ["plugin", "rollout", &reference, "--agents", &agents];
        run_rollout(&[&args[..], more].concat()).await
    }

    /// Returns the digests that the agents run.
    async fn digests(&self) -> Result<Vec<Value>> {
        let mut digests = Vec::new();
        for node in &self.nodes {
            digests.push(get(node, "/api/v1/plugin").await["origin"]["digest"].clone());
        }
        Ok(digests)
    }
}

async fn get(node: &Node, path: &str) -> Value {
    node.ask(Method::GET, path, None).await.body
}

fn version(content: &[u8]) -> Result<Publication> {
    publication(with_section(reference_bytes()?, "note", content))
}

async fn push(reference: &Reference, plugin: &Publication) -> Result<()> {
    client(quick())?.push(reference, plugin).await?;
    Ok(())
}

/// Runs a command that takes one agent after the other.
async fn run_rollout(args: &[&str]) -> Result<Ended> {
    run_within(args, ROLLED_WITHIN).await
}

fn of(plugin: &Publication) -> Value {
    json!(plugin.manifest.digest.to_string())
}

/// Makes changes at all agents in turn until it is told to stop. Returns the nodes that were enabled.
async fn change(agents: Vec<SocketAddr>, is_over: Arc<AtomicBool>) -> Result<Vec<u64>> {
    let client = Client::new();
    let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    let mut pace = interval(CHANGE_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut enabled = Vec::new();
    for (node_id, agent) in (FIRST..).zip(agents.iter().cycle()) {
        if is_over.load(Ordering::Acquire) {
            break;
        }
        pace.tick().await;
        let url = format!("http://{agent}/api/v1/nodes/{node_id}/edge-cache");
        let answer = client.post(url).json(&capacity).send().await?;
        let status = answer.status();
        ensure!(status == 204, "{status}: {}", answer.text().await?);
        enabled.push(node_id);
    }
    Ok(enabled)
}

/// Asks all agents whether they are ready until it is told to stop. Returns the most that were not at once.
async fn most_unready(agents: Vec<SocketAddr>, is_over: Arc<AtomicBool>) -> Result<usize> {
    let client = Client::new();
    let most = AtomicUsize::new(0);
    while !is_over.load(Ordering::Acquire) {
        let asked = agents.iter().map(async |agent| {
            let url = format!("http://{agent}/health/readyz");
            Ok::<_, anyhow::Error>(client.get(url).send().await?.status() != 200)
        });
        let unready = futures_util::future::try_join_all(asked).await?;
        most.fetch_max(
            unready.into_iter().filter(|it| *it).count(),
            Ordering::Relaxed,
        );
    }
    Ok(most.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_under_load_loses_no_change_and_keeps_agents_ready() -> Result<()> {
    let Some(cluster) = Cluster::start(0, &[]).await? else {
        return Ok(());
    };
    let second = version(b"2")?;
    push(&cluster.reference, &second).await?;
    let agents: Vec<SocketAddr> = cluster.nodes.iter().map(|node| node.http).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let changes = tokio::spawn(change(agents.clone(), is_over.clone()));
    let unready = tokio::spawn(most_unready(agents, is_over.clone()));
    let ended = cluster.rollout(&cluster.reference, &[]).await?;
    is_over.store(true, Ordering::Release);
    let (enabled, unready) = (changes.await??, unready.await??);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stdout.lines().count(),
        cluster.nodes.len(),
        "{ended:?}"
    );
    assert!(unready <= 1, "{unready} agents were not ready at once");
    assert_eq!(
        cluster.digests().await?,
        vec![of(&second); cluster.nodes.len()]
    );
    for node in &cluster.nodes {
        until("all changes at each agent", SEEN_WITHIN, || async {
            let list = get(node, "/api/v1/edge-cache/nodes").await;
            let nodes = list["nodes"].as_array().map_or(0, Vec::len);
            if nodes == enabled.len() {
                Ok(())
            } else {
                Err(nodes)
            }
        })
        .await;
    }
    println!(
        "{} changes during the rollout, at most {unready} agents not ready",
        enabled.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_the_rollout_and_one_command_goes_back() -> Result<()> {
    let (first, large) = (version(b"1")?, version(b"larger than the first")?);
    let limit = first.component.len().to_string();
    let Some(cluster) = Cluster::start(3, &["--limits-plugin-bytes", &limit]).await? else {
        return Ok(());
    };
    push(&cluster.reference, &large).await?;
    let ended = cluster.rollout(&cluster.reference, &[]).await?;
    assert_ne!(ended.code, Some(0), "{ended:?}");
    let third = cluster.nodes[2].http;
    let stopped = format!("the rollout has stopped at node 3 (http://{third})");
    assert!(ended.stderr.contains(&stopped), "{ended:?}");
    let (new, old) = (of(&large), of(&first));
    let expected = [&new, &new, &old, &old, &old].map(Value::clone);
    assert_eq!(cluster.digests().await?, expected);

    // The command that it names.
    let back = ended
        .stderr
        .split('`')
        .find(|part| part.contains("plugin rollout"));
    let back = back.context("no command")?.split(' ').skip(1);
    let ended = run_rollout(&back.collect::<Vec<_>>()).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(cluster.digests().await?, vec![old; cluster.nodes.len()]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_is_of_the_agents_that_change_and_leads_to_what_they_ran() -> Result<()> {
    let Some(cluster) = Cluster::start(0, &[]).await? else {
        return Ok(());
    };
    let (first, second, third) = (version(b"1")?, version(b"2")?, version(b"3")?);
    let other: Reference =
        format!("oci://{}/acme/other:1", cluster.reference.registry()).parse()?;
    push(&other, &third).await?;
    push(&cluster.reference, &second).await?;
    // One agent has the new version already, one runs another plugin, and one a file.
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(&file, with_section(reference_bytes()?, "note", b"4"))?;
    let file = file.path().display().to_string();
    let at = |node: usize| format!("http://{}", cluster.nodes[node].http);
    let (declared, other) = (cluster.reference.to_string(), other.to_string());
    for words in [
        ["plugin", "rollout", &declared, "--agents", &at(0)],
        ["plugin", "swap", &other, "--addr", &at(1)],
        ["plugin", "swap", &file, "--addr", &at(2)],
    ] {
        let ended = run_rollout(&words).await?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let (old, new, swapped) = (of(&first), of(&second), of(&third));
    let file = Value::Null;
    assert_eq!(
        cluster.digests().await?,
        [&new, &swapped, &file, &old, &old].map(Value::clone)
    );

    let ended = cluster.rollout(&cluster.reference, &[]).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let all_new = vec![new.clone(); cluster.nodes.len()];
    assert_eq!(cluster.digests().await?, all_new);
    let back = ended
        .stderr
        .split('`')
        .filter(|part| part.contains("plugin rollout"));
    let back: Vec<&str> = back.collect();
    assert_eq!(back.len(), 3, "{ended:?}");
    for command in back {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let ended = run_rollout(&words).await?;
        assert_eq!(ended.code, Some(0), "{command}: {ended:?}");
    }
    // The file is not there any more: its agent runs what it declared beside it.
    assert_eq!(
        cluster.digests().await?,
        [&new, &swapped, &old, &old, &old].map(Value::clone)
    );
    for (node, digest) in cluster.nodes.iter().zip([&new, &old, &old, &old, &old]) {
        let shown = get(node, "/api/v1/plugin").await;
        assert_eq!(shown["declared"]["digest"], *digest, "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rollout_sees_that_somebody_else_has_replaced_the_plugin() -> Result<()> {
    let Some(cluster) = Cluster::start(0, &[]).await? else {
        return Ok(());
    };
    let [one, ..] = &*cluster.nodes else {
        return Err(anyhow!("no agent"));
    };
    let before = get(one, "/api/v1/plugin").await["origin"]["digest"].clone();
    let before = before.as_str().context("no digest")?;
    let second = version(b"2")?;
    push(&cluster.reference, &second).await?;
    let rollout = cluster.rollout(&cluster.reference, &[]);
    let meanwhile = async {
        until("the first agent", ROLLED_WITHIN, async || {
            let digest = get(one, "/api/v1/plugin").await["origin"]["digest"].clone();
            if digest == of(&second) {
                Ok(())
            } else {
                Err(digest)
            }
        })
        .await;
        let path = format!("/api/v1/plugin/reload?digest={before}");
        one.ask(Method::POST, &path, None).await
    };
    let (ended, reloaded) = tokio::join!(rollout, meanwhile);
    ensure!(reloaded.status == 200, "{reloaded:?}");
    let ended = ended?;
    ensure!(ended.code == Some(1), "{ended:?}");
    let address = one.http.to_string();
    let said = format!(
        "the rollout is over, but not everywhere: somebody else has replaced the plugin meanwhile: node 1 (http://{address}) runs"
    );
    ensure!(ended.stderr.contains(&said), "{ended:?}");

    let twice = format!("{address},localhost:{}", one.http.port());
    let reference = cluster.reference.to_string();
    let args = ["plugin", "rollout", &reference, "--agents", &twice];
    let ended = run_rollout(&args).await?;
    ensure!(ended.code == Some(2), "{ended:?}");
    let said = format!("--agents names node 1 (http://{address}) twice, as http://localhost:");
    ensure!(ended.stderr.contains(&said), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_rollout_changes_nothing_where_an_agent_pins_another_plugin() -> Result<()> {
    let Some(cluster) = Cluster::start(0, &[]).await? else {
        return Ok(());
    };
    let [one, ..] = &*cluster.nodes else {
        return Err(anyhow!("no agent"));
    };
    let shown = get(one, "/api/v1/plugin").await;
    let text = |value: &Value| value.as_str().map(str::to_string).context("no text");
    let (digest, sha256) = (text(&shown["origin"]["digest"])?, text(&shown["sha256"])?);
    let reference = cluster.reference.to_string();
    let pinned = format!("{reference}@{digest}");
    let pins = [
        (vec![&*pinned], "the digest of `plugin.source`"),
        (
            vec![&*reference, "--plugin-sha256", &sha256],
            "`plugin.sha256`",
        ),
    ];
    let mut others = Vec::new();
    for (args, said) in &pins {
        let usual = [
            "--allow-local-admin",
            "--plugin-registry-plain-http",
            "--plugin",
        ];
        others.push((Node::start(6, &[&usual, &**args].concat()).await?, said));
    }
    push(&cluster.reference, &version(b"2")?).await?;
    let before = cluster.digests().await?;
    for (other, said) in &others {
        let agents = format!("{},{}", one.http, other.http);
        let args = ["plugin", "rollout", &reference, "--agents", &agents];
        let ended = run_rollout(&args).await?;
        ensure!(ended.code == Some(1), "{ended:?}");
        let said = format!("node 6 runs one plugin only by {said} in its settings");
        ensure!(ended.stderr.contains(&said), "{ended:?}");
        ensure!(ended.stderr.contains("nothing was changed"), "{ended:?}");
        ensure!(cluster.digests().await? == before);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_of_what_is_not_declared_needs_a_word() -> Result<()> {
    let Some(cluster) = Cluster::start(0, &[]).await? else {
        return Ok(());
    };
    let second = version(b"2")?;
    let other = format!("oci://{}/acme/plugin:2", cluster.reference.registry()).parse()?;
    push(&other, &second).await?;
    let before = cluster.digests().await?;
    let ended = cluster.rollout(&other, &[]).await?;
    assert_ne!(ended.code, Some(0), "{ended:?}");
    for said in ["node 1 declares", "--until-restart", "nothing was changed"] {
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
    assert!(!ended.stderr.contains("the way back"), "{ended:?}");
    assert_eq!(cluster.digests().await?, before);
    let ended = cluster.rollout(&other, &["--until-restart"]).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        cluster.digests().await?,
        vec![of(&second); cluster.nodes.len()]
    );
    let shown = get(&cluster.nodes[0], "/api/v1/plugin").await;
    assert_eq!(shown["is_declared"], false);
    // The former plugin is of another repository, and the declared one.
    assert!(
        ended
            .stderr
            .contains("the way back: `for agent in http://127.0.0.1:"),
        "{ended:?}"
    );
    // Where nothing changes there is no way back.
    let again = cluster.rollout(&other, &["--until-restart"]).await?;
    assert_eq!((again.code, &*again.stderr), (Some(0), ""), "{again:?}");
    Ok(())
}
