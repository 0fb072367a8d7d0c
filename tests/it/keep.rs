//! A component that is swapped in and kept: the next start takes it, in the place of what the settings name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use edge_cache_agent::components::{Components, Source};
use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::sandbox::PluginConfig;
use edge_cache_tests::agent::{Agent, Answer, answer, run_to_end};
use edge_cache_tests::component::{reference_bytes, released, sha256, with_section};
use edge_cache_tests::long_tests;
use edge_cache_tests::wait::until;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tempfile::TempDir;

mod later;

const SEEN_WITHIN: Duration = Duration::from_secs(20);
/// The latest moment of a kill after an upload has begun.
const KILLED_WITHIN_MS: u64 = 120;
const NODE: &str = "/api/v1/nodes/1/edge-cache";

/// What an agent is started with, again and again.
struct Place {
    directory: TempDir,
    pin: Option<String>,
}

/// Which component an agent says that it runs, whether that one is kept, and which one is.
type Shown = (String, bool, Option<String>);

impl Place {
    /// Also builds what the tests swap in: a build holds a test's thread up, and an agent that runs meanwhile
    /// closes the connections that the test would go on with.
    fn new() -> Self {
        other();
        let directory = tempfile::tempdir().unwrap();
        let place = Self {
            directory,
            pin: None,
        };
        place.name(&settings());
        place
    }

    fn plugin(&self) -> PathBuf {
        self.directory.path().join("registry.wasm")
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn kept_file(&self, component: &[u8]) -> PathBuf {
        let name = format!("{}.wasm", sha256(component));
        self.data().join("kept").join(name)
    }

    /// Has the settings name this component.
    fn name(&self, component: &[u8]) {
        fs::write(self.plugin(), component).unwrap();
    }

    fn args(&self, command: &[&str]) -> Vec<String> {
        let (plugin, data) = (self.plugin(), self.data());
        let plugin = plugin.to_str().unwrap();
        let flags = ["--node-id", "1", "--data-dir", data.to_str().unwrap()];
        let flags = [command, &flags, &["--plugin", plugin]].concat();
        let mut args: Vec<String> = flags.into_iter().map(str::to_string).collect();
        if let Some(pin) = &self.pin {
            args.extend(["--plugin-sha256".to_string(), pin.clone()]);
        }
        args
    }

    async fn start(&self) -> Agent {
        let args = self.args(&["--allow-local-admin"]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Agent::start(&args).await.unwrap()
    }

    /// The components of an agent that runs inside of the test.
    async fn start_within(&self) -> (Components, EdgeCacheRegistry) {
        let (source, config) = (Source::File(self.plugin()), PluginConfig::default());
        let started = Components::start(config, source, Some(&self.data()));
        let (components, first) = started.unwrap();
        let registry = EdgeCacheRegistry::builder(first).start().await.unwrap();
        (components, registry)
    }

    /// What `config check` says of the component.
    async fn checked(&self) -> String {
        let args = self.args(&["config", "check"]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = run_to_end(&args).await.unwrap();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said = ended.stdout.lines().find(|line| line.contains(" plugin: "));
        said.unwrap().to_string()
    }

    /// Kills an agent, starts another one, and answers what it runs.
    async fn again(&self, agent: Agent) -> (Agent, Shown) {
        agent.kill().await.unwrap();
        let agent = self.start().await;
        let shown = shown(&agent).await;
        (agent, shown)
    }
}

/// The component of the settings.
fn settings() -> Vec<u8> {
    reference_bytes().unwrap().to_vec()
}

/// A component that weighs all nodes alike, where the one of the settings goes by their disks.
fn other() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| fs::read(released().unwrap()).unwrap())
}

/// It runs, and nothing is kept.
fn plain(component: &[u8]) -> Shown {
    (sha256(component), false, None)
}

/// It runs in the place of one that is kept and can't be used.
fn instead_of(unusable: &[u8], component: &[u8]) -> Shown {
    (sha256(component), false, Some(sha256(unusable)))
}

/// It runs, and is kept.
fn kept(component: &[u8]) -> Shown {
    (sha256(component), true, Some(sha256(component)))
}

async fn shown(agent: &Agent) -> Shown {
    said(&agent.get("/api/v1/plugin").await.unwrap())
}

fn said(plugin: &Value) -> Shown {
    (
        plugin["sha256"].as_str().unwrap().to_string(),
        plugin["kept"].as_bool().unwrap(),
        plugin["kept_sha256"].as_str().map(str::to_string),
    )
}

async fn put(agent: &Agent, query: &str, component: &[u8]) -> Answer {
    let request = agent.request(Method::PUT, &format!("/api/v1/plugin{query}"));
    let request = request.header(CONTENT_TYPE, "application/wasm");
    answer(request.body(component.to_vec())).await.unwrap()
}

async fn keep(agent: &Agent, component: &[u8]) -> Shown {
    let answer = put(agent, "?keep=true", component).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    said(&answer.body)
}

/// An agent that has kept a component.
async fn keeping(component: &[u8]) -> (Place, Agent) {
    let place = Place::new();
    let agent = place.start().await;
    assert_eq!(shown(&agent).await, plain(&settings()));
    assert_eq!(keep(&agent, component).await, kept(component));
    (place, agent)
}

/// Waits until the agent gives its node, with a disk of 20 GiB, this weight.
async fn weighs(agent: &Agent, weight: u64) {
    until("the weight", SEEN_WITHIN, || async {
        let route = agent.get("/api/v1/edge-cache/route?key=a").await.unwrap();
        if route["nodes"][0]["weight"] == weight {
            Ok(())
        } else {
            Err(route)
        }
    })
    .await;
}

#[tokio::test]
async fn a_kept_component_decides_after_a_kill() {
    let place = Place::new();
    let agent = place.start().await;
    let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 20_480}});
    let enabled = agent.ask(Method::POST, NODE, Some(&capacity)).await;
    assert_eq!(enabled.unwrap().status, 204);
    weighs(&agent, 20).await;
    assert_eq!(keep(&agent, other()).await, kept(other()));
    let (agent, shown) = place.again(agent).await;
    assert_eq!(shown, kept(other()));
    weighs(&agent, 1).await;
    assert_eq!(agent.get(NODE).await.unwrap()["node_id"], 1);
    let checked = place.checked().await;
    assert!(checked.contains(&sha256(other())), "{checked}");
    // A start after the next one is like the next.
    let (agent, shown) = place.again(agent).await;
    assert_eq!(shown, kept(other()));
    assert_eq!(agent.terminate().await.unwrap(), Some(0));
}

/// Whatever is being written when the agent is killed, the next start finds one of the two, and that one whole.
#[tokio::test]
async fn a_kill_while_one_is_being_kept_leaves_it_or_the_one_before() {
    let rounds = if long_tests() { 100 } else { 8 };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let components = [b"1", b"2"].map(|note| with_section(other(), "note", note));
    let (place, mut agent) = keeping(&components[0]).await;
    let mut before = kept(&components[0]);
    let mut answered = 0;
    for round in 1..=rounds {
        let component = &components[round % 2];
        // Nothing is waited for: the moment of the kill is what the test is about.
        let killed = async {
            tokio::time::sleep(Duration::from_millis(random.u64(1..KILLED_WITHIN_MS))).await;
            agent.cut_power().unwrap();
        };
        let request = agent.request(Method::PUT, "/api/v1/plugin?keep=true");
        let request = request.header(CONTENT_TYPE, "application/wasm");
        let (answer, ()) = tokio::join!(answer(request.body(component.clone())), killed);
        let found;
        (agent, found) = place.again(agent).await;
        match answer {
            Ok(answer) => {
                assert_eq!(said(&answer.body), kept(component), "round {round}");
                assert_eq!(found, kept(component), "round {round}");
                answered += 1;
            }
            Err(_) => assert!(
                found == before || found == kept(component),
                "round {round}: {found:?}"
            ),
        }
        before = found;
    }
    println!("{answered} of {rounds} were answered before the kill");
}

#[tokio::test]
async fn a_swap_without_keep_leaves_what_is_kept_and_the_component_of_the_settings_ends_it() {
    let (first, second) = (other(), with_section(other(), "note", b"2"));
    let (place, agent) = keeping(first).await;
    let swapped = put(&agent, "?keep=false", &second).await;
    assert_eq!(
        said(&swapped.body),
        (sha256(&second), false, Some(sha256(first)))
    );
    let (agent, shown) = place.again(agent).await;
    assert_eq!(shown, kept(first));
    // Another one takes its place, by the command line.
    let file = place.directory.path().join("second.wasm");
    fs::write(&file, &second).unwrap();
    let address = agent.http.to_string();
    let plugin = place.plugin();
    let swap = async |file: &PathBuf| {
        let file = file.to_str().unwrap();
        let args = ["plugin", "swap", file, "--keep", "--addr", &address];
        let args = [&args[..], &["--format", "json"]].concat();
        let ended = run_to_end(&args).await.unwrap();
        said(&serde_json::from_str(&ended.stdout).unwrap())
    };
    assert_eq!(swap(&file).await, kept(&second));
    assert!(!place.kept_file(first).exists());
    assert_eq!(swap(&plugin).await, plain(&settings()));
    assert!(!place.kept_file(&second).exists());
    let (_agent, shown) = place.again(agent).await;
    assert_eq!(shown, plain(&settings()));
}

#[tokio::test]
async fn a_kept_component_that_cannot_be_used_does_not_stop_the_agent_and_can_be_mended() {
    let (place, mut agent) = keeping(other()).await;
    let file = place.kept_file(other());
    let which = place.data().join("kept/which.json");
    let (whole, said) = (other(), fs::read(&which).unwrap());
    let mut flipped = whole.to_vec();
    flipped[whole.len() / 2] ^= 1;
    let mut found;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], b""] {
        fs::write(&file, damaged).unwrap();
        (agent, found) = place.again(agent).await;
        assert_eq!(found, instead_of(other(), &settings()));
        let checked = place.checked().await;
        assert!(checked.contains("is not what was kept"), "{checked}");
        assert_eq!(fs::read(&file).unwrap(), damaged, "it is left as it is");
    }
    fs::write(&file, whole).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    (agent, found) = place.again(agent).await;
    assert_eq!(found, instead_of(other(), &settings()));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&which, &said[..said.len() / 2]).unwrap();
    (agent, found) = place.again(agent).await;
    assert_eq!(found, plain(&settings()));

    fs::write(&which, &said).unwrap();
    (agent, found) = place.again(agent).await;
    assert_eq!(found, kept(whole));
    // Without the files there is nothing to use, and nothing to complain of.
    fs::remove_dir_all(place.data().join("kept")).unwrap();
    (agent, found) = place.again(agent).await;
    assert_eq!(found, plain(&settings()));
    assert_eq!(keep(&agent, whole).await, kept(whole));
}

/// It was whole when it was kept, and the agent would not take it now: its limit is another one.
#[tokio::test]
async fn a_kept_component_that_does_not_load_any_more_does_not_stop_the_agent() {
    let large = with_large_section(&settings());
    let (place, agent) = keeping(&large).await;
    agent.kill().await.unwrap();
    let limit = (settings().len() + 1_000).to_string();
    let args = place.args(&["--limits-component-bytes", &limit]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let agent = Agent::start(&args).await.unwrap();
    assert_eq!(shown(&agent).await, instead_of(&large, &settings()));
    let (_agent, shown) = place.again(agent).await;
    assert_eq!(shown, kept(&large));
}

#[tokio::test]
async fn without_a_data_directory_or_room_in_it_nothing_is_kept_or_swapped() {
    let place = Place::new();
    let agent = Agent::start(&["--node-id", "1", "--allow-local-admin"])
        .await
        .unwrap();
    let before = shown(&agent).await;
    let refused = put(&agent, "?keep=true", other()).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["type"]),
        (409, &json!("/problems/not-kept"))
    );
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("--data-dir"), "{detail}");
    assert_eq!(put(&agent, "?keep=maybe", other()).await.status, 400);
    assert_eq!(shown(&agent).await, before);

    let agent = place.start().await;
    fs::write(place.data().join("kept"), "in the way").unwrap();
    let failed = put(&agent, "?keep=true", other()).await;
    assert_eq!(
        (failed.status.as_u16(), &failed.body["type"]),
        (503, &json!("/problems/store-failed"))
    );
    assert_eq!(shown(&agent).await, plain(&settings()));
    fs::remove_file(place.data().join("kept")).unwrap();
    // A component that does not take over is not kept.
    let refused = put(&agent, "?keep=true", b"no component").await;
    assert_eq!(refused.status, 422, "{refused:?}");
    // Nor one in the place of a component that the next start would not find.
    fs::remove_file(place.plugin()).unwrap();
    let refused = put(&agent, "?keep=true", other()).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["type"]),
        (409, &json!("/problems/not-kept"))
    );
    assert_eq!(shown(&agent).await, plain(&settings()));
    place.name(&settings());
    let (_agent, shown) = place.again(agent).await;
    assert_eq!(shown, plain(&settings()));
}

/// The same component with a section of 64 KiB behind it.
fn with_large_section(component: &[u8]) -> Vec<u8> {
    let content = [0; 64 * 1024];
    // A custom section named `n`: its length is 65,538, in LEB128.
    let head = [0, 0x82, 0x80, 0x04, 1, b'n'];
    [component, &head, &content].concat()
}
