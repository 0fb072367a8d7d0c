//! Agents whose plugin comes from a registry: tags that move, restarts, swaps and back.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use edge_cache_distribution::{Algorithm, Digest, Proof, Publication, Reference, SigningKey};
use edge_cache_tests::agent::{Agent, Answer, Ended, answer, run_to_end, write_secret};
use edge_cache_tests::component::{reference_bytes, sha256, with_section};
use edge_cache_tests::proxies::Server;
use edge_cache_tests::registry::{
    Certificate, PASSWORD, USER, client, credentials_file, docker_registry, publication, quick,
};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tempfile::TempDir;

mod disk;
mod doors;
mod errors;
mod layouts;
mod reasons;
mod secrets;
mod signatures;

const PLUGIN: &str = "/api/v1/plugin";
const RELOAD: &str = "/api/v1/plugin/reload";
const REVERT: &str = "/api/v1/plugin/revert";

/// A registry with a plugin under the tag `1`, and a folder for an agent.
struct House {
    registry: Server,
    folder: TempDir,
    reference: Reference,
    key: SigningKey,
}

impl House {
    async fn new() -> Result<Option<Self>> {
        let Some(registry) = docker_registry(None, false).await? else {
            return Ok(None);
        };
        let reference = format!("oci://{}/acme/plugin:1", registry.address).parse()?;
        let house = Self {
            registry,
            folder: tempfile::tempdir()?,
            reference,
            key: SigningKey::generate(Algorithm::EcdsaP256)?,
        };
        house.push(&version(1)?).await?;
        Ok(Some(house))
    }

    /// Pushes a plugin under the tag, and returns the digest of its manifest.
    async fn push(&self, plugin: &Publication) -> Result<Digest> {
        client(quick())?.push(&self.reference, plugin).await?;
        Ok(plugin.manifest.digest)
    }

    /// Pushes a plugin to a repository and a tag, and returns its reference.
    async fn push_as(&self, name: &str, plugin: &Publication) -> Result<Reference> {
        let reference = format!("oci://{}/{name}", self.registry.address).parse()?;
        client(quick())?.push(&reference, plugin).await?;
        Ok(reference)
    }

    async fn sign(&self, plugin: &Publication) -> Result<()> {
        let digest = plugin.manifest.digest;
        let signature = self.key.sign(digest, &self.reference.name())?;
        let client = client(quick())?;
        client
            .push_signatures(&self.reference, &digest, &[signature])
            .await?;
        Ok(())
    }

    /// Returns the proof of a plugin that this key has signed.
    fn proof(&self, of: &Publication, key: &SigningKey) -> Result<Proof> {
        let signature = key.sign(of.manifest.digest, &self.reference.name())?;
        Ok(Proof::new(of.manifest.clone(), vec![signature]))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes trust rules that let in what this key has signed.
    fn trust(&self, key: &SigningKey) -> Result<String> {
        let file = self.path("trust.toml");
        let text = format!(
            "[keys]\nrelease = \"\"\"\n{}\"\"\"\n\n[[rules]]\nrepository = \"{}/*\"\nany_of = [\"release\"]\n",
            key.public_pem(),
            self.registry.address
        );
        write_secret(&file, text)?;
        Ok(file.display().to_string())
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let data = self.path("data").display().to_string();
        let own = ["--node-id", "1", "--allow-local-admin", "--data-dir", &data];
        let own = own.into_iter().chain(["--plugin-registry-plain-http"]);
        own.chain(more.iter().copied())
            .map(str::to_string)
            .collect()
    }

    async fn start(&self, more: &[&str]) -> Result<Agent> {
        let args = self.args(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Agent::start(&args).await
    }

    /// Starts an agent with the plugin of the registry.
    async fn start_from_registry(&self, more: &[&str]) -> Result<Agent> {
        let reference = self.reference.to_string();
        self.start(&[&["--plugin", &reference], more].concat())
            .await
    }

    /// Starts an agent that must not come up, and returns how it ended.
    async fn fail(&self, more: &[&str]) -> Result<Ended> {
        let args = self.args(more);
        let args = ["run", "--http-listen", "127.0.0.1:0"]
            .into_iter()
            .chain(args.iter().map(String::as_str));
        let ended = run_to_end(&args.collect::<Vec<_>>()).await?;
        ensure!(ended.code == Some(1), "{ended:?}");
        Ok(ended)
    }
}

/// A plugin like the reference, of another digest.
fn version(n: u8) -> Result<Publication> {
    publication(with_section(reference_bytes()?, "note", &[n]))
}

async fn post(agent: &Agent, path: &str) -> Result<Answer> {
    agent.ask(Method::POST, path, None).await
}

/// Swaps a plugin in by its reference.
async fn put(agent: &Agent, reference: &Reference) -> Result<Answer> {
    let source = json!({"source": reference.to_string()});
    agent.ask(Method::PUT, PLUGIN, Some(&source)).await
}

/// Returns the text of an error.
fn detail(answer: &Answer) -> Result<&str> {
    let detail = answer.body["detail"].as_str();
    detail.with_context(|| format!("no text: {answer:?}"))
}

async fn digest(agent: &Agent) -> Result<Value> {
    Ok(agent.get(PLUGIN).await?["origin"]["digest"].clone())
}

fn text(of: &Publication) -> Value {
    json!(of.manifest.digest.to_string())
}

async fn swap(agent: &Agent, form: Form) -> Result<Answer> {
    let request = agent.request(Method::PUT, PLUGIN).multipart(form);
    let response = request.send().await?;
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.map_or(Ok(""), |value| value.to_str())?;
    Ok(Answer {
        status: response.status(),
        content_type: content_type.to_string(),
        body: response.json().await?,
    })
}

/// The value of a metric without labels.
async fn metric(agent: &Agent, name: &str) -> Result<String> {
    let text = agent.request(Method::GET, "/metrics").send().await?;
    let text = text.text().await?;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.context("no such metric")?.to_string())
}

#[tokio::test]
async fn a_tag_is_resolved_once_and_again_when_an_operator_asks() -> Result<()> {
    let Some(mut house) = House::new().await? else {
        return Ok(());
    };
    let (first, second, third) = (version(1)?, version(2)?, version(3)?);
    let agent = house.start_from_registry(&[]).await?;
    let shown = agent.get(PLUGIN).await?;
    let source = house.reference.clone().with_digest(first.manifest.digest);
    assert_eq!(shown["origin"]["source"], source.to_string());
    assert_eq!(shown["origin"]["digest"], text(&first));
    assert_eq!(shown["sha256"], sha256(&first.component));
    assert_eq!(shown["declared"], shown["origin"]);
    assert_eq!(shown["is_declared"], true);
    assert!(shown["origin"]["pulled_at"].is_string(), "{shown}");

    // The tag moves, and nothing follows by itself.
    house.push(&second).await?;
    assert_eq!(post(&agent, RELOAD).await?.status, 200);
    assert_eq!(digest(&agent).await?, text(&first));
    agent.terminate().await?;
    let agent = house.start_from_registry(&[]).await?;
    assert_eq!(digest(&agent).await?, text(&first));

    let pulled = post(&agent, &format!("{RELOAD}?pull=true")).await?;
    assert_eq!(pulled.status, 200, "{pulled:?}");
    assert_eq!(pulled.body["origin"]["digest"], text(&second));
    assert_eq!(pulled.body["is_declared"], true);
    agent.terminate().await?;

    // Each policy, with a registry that answers and with one that does not.
    house.push(&third).await?;
    for (policy, expected) in [
        ("never", &second),
        ("if-not-present", &second),
        ("always", &third),
    ] {
        let agent = house
            .start_from_registry(&["--plugin-pull", policy])
            .await?;
        assert_eq!(digest(&agent).await?, text(expected), "{policy}");
        // A reload for another reason changes nothing, wherever the tag is.
        house.push(&first).await?;
        assert_eq!(post(&agent, RELOAD).await?.status, 200, "{policy}");
        assert_eq!(post(&agent, REVERT).await?.status, 200, "{policy}");
        assert_eq!(digest(&agent).await?, text(expected), "{policy}");
        house.push(&third).await?;
        agent.terminate().await?;
    }
    // A digest that is declared for a while says nothing of the tag.
    let pinned = house.reference.clone().with_digest(first.manifest.digest);
    let agent = house.start(&["--plugin", &pinned.to_string()]).await?;
    assert_eq!(digest(&agent).await?, text(&first));
    // The bytes of the declared plugin are the declared plugin again after a return to it.
    let upload = Part::bytes(first.component.to_vec());
    let swapped = swap(&agent, Form::new().part("plugin", upload)).await?;
    assert_eq!(swapped.status, 200, "{swapped:?}");
    assert_ne!(swapped.body["origin"], swapped.body["declared"]);
    let back = post(&agent, REVERT).await?;
    assert_eq!(back.body["origin"], back.body["declared"], "{back:?}");
    agent.terminate().await?;
    house.registry.stop().await?;
    for policy in ["never", "if-not-present", "always"] {
        let agent = house
            .start_from_registry(&["--plugin-pull", policy])
            .await?;
        assert_eq!(digest(&agent).await?, text(&third), "{policy}");
        // Under `always`, the start has waited for the registry already.
        if policy != "always" {
            let refused = post(&agent, &format!("{RELOAD}?pull=true")).await?;
            assert_eq!(refused.status, 502, "{policy}: {refused:?}");
            assert_eq!(digest(&agent).await?, text(&third), "{policy}");
        }
        agent.terminate().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_registry_that_a_reload_declares_is_kept_as_at_a_start() -> Result<()> {
    let Some(mut house) = House::new().await? else {
        return Ok(());
    };
    let file = house.path("agent.toml");
    let config = ["--config", file.to_str().context("no text")?];
    fs::write(&file, "")?;
    let agent = house.start(&config).await?;
    let embedded = agent.get(PLUGIN).await?;
    fs::write(&file, format!("plugin.source = \"{}\"\n", house.reference))?;
    let reload = async || post(&agent, "/api/v1/agent/reload").await;
    let reloaded = reload().await?;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    let (first, now) = (version(1)?, agent.get(PLUGIN).await?);
    assert_ne!(now["sha256"], embedded["sha256"]);
    assert_eq!(now["origin"]["digest"], text(&first), "{reloaded:?}");
    assert_eq!(now["declared"], now["origin"]);

    // The tag moves, then its registry goes: the agent stays at what the tag meant, over a restart too.
    house.push(&version(2)?).await?;
    reload().await?;
    assert_eq!(digest(&agent).await?, text(&first));
    house.registry.stop().await?;
    agent.terminate().await?;
    let agent = house.start(&config).await?;
    assert_eq!(digest(&agent).await?, text(&first));
    Ok(())
}

#[tokio::test]
async fn a_reload_goes_to_a_named_digest_and_no_further_than_the_settings() -> Result<()> {
    let Some(house) = House::new().await? else {
        return Ok(());
    };
    let (first, second) = (version(1)?, version(2)?);
    house.push(&second).await?;
    let agent = house.start_from_registry(&[]).await?;
    assert_eq!(digest(&agent).await?, text(&second));
    let to = |plugin: &Publication| format!("{RELOAD}?digest={}", plugin.manifest.digest);
    let back = post(&agent, &to(&first)).await?;
    assert_eq!(
        (back.status.as_u16(), &back.body["origin"]["digest"]),
        (200, &text(&first))
    );
    agent.terminate().await?;
    let agent = house.start_from_registry(&[]).await?;
    assert_eq!(digest(&agent).await?, text(&first));
    for (query, status) in [
        ("pull=maybe", 400),
        ("digest=sha256:1", 400),
        (&*format!("digest={}", Digest::of(b"")), 502),
    ] {
        let refused = post(&agent, &format!("{RELOAD}?{query}")).await?;
        assert_eq!(refused.status, status, "{query}: {refused:?}");
    }
    assert_eq!(digest(&agent).await?, text(&first));
    agent.terminate().await?;

    let pinned = house.reference.clone().with_digest(second.manifest.digest);
    let agent = house.start(&["--plugin", &pinned.to_string()]).await?;
    for query in [
        "pull=true".to_string(),
        format!("digest={}", first.manifest.digest),
    ] {
        let refused = post(&agent, &format!("{RELOAD}?{query}")).await?;
        assert_eq!(refused.status, 409, "{refused:?}");
        assert_eq!(
            refused.body["detail"],
            format!(
                "the agent's settings declare {pinned}, whose digest cannot change: only a tag can be pulled again"
            )
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_swap_carries_settings_and_a_revert_goes_back() -> Result<()> {
    let agent = Agent::start(&["--node-id", "1", "--allow-local-admin"]).await?;
    let declared = agent.get(PLUGIN).await?;
    assert_eq!(metric(&agent, "edge_cache_plugin_undeclared").await?, "0");
    let form = |settings: &Value| {
        let plugin = Part::bytes(reference_bytes().unwrap_or_default());
        Form::new()
            .part("plugin", plugin)
            .text("settings", settings.to_string())
    };
    let wrong = swap(&agent, form(&json!({"nonsense": "1"}))).await?;
    assert_eq!(wrong.status, 422, "{wrong:?}");
    assert_eq!(agent.get(PLUGIN).await?, declared);

    let swapped = swap(&agent, form(&json!({"weight": "disk"}))).await?;
    assert_eq!(swapped.status, 200, "{swapped:?}");
    assert_eq!(swapped.body["sha256"], declared["sha256"]);
    assert_ne!(swapped.body["policy"], declared["policy"]);
    assert_eq!(swapped.body["is_declared"], false);
    assert_eq!(swapped.body["settings"], json!(["weight"]));
    assert_eq!(declared["settings"], json!([]));
    assert_eq!(swapped.body["declared"], declared["declared"]);
    assert_eq!(metric(&agent, "edge_cache_plugin_undeclared").await?, "1");

    // A reload for another reason does not end the swap.
    agent.hang_up()?;
    assert_eq!(post(&agent, RELOAD).await?.body["is_declared"], false);

    let reverted = post(&agent, REVERT).await?;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(reverted.body["policy"], declared["policy"]);
    assert_eq!(reverted.body["is_declared"], true);
    assert_eq!(metric(&agent, "edge_cache_plugin_undeclared").await?, "0");
    assert_eq!(post(&agent, REVERT).await?.body["is_declared"], true);
    Ok(())
}

#[tokio::test]
async fn a_form_that_is_wrong_is_refused_with_what_would_be_right() -> Result<()> {
    let agent = Agent::start(&["--node-id", "1", "--allow-local-admin"]).await?;
    let before = agent.get(PLUGIN).await?;
    let part = || Part::bytes(reference_bytes().unwrap_or_default());
    let plugin = || Form::new().part("plugin", part());
    for (form, detail) in [
        (
            Form::new().text("settings", "{}"),
            "the form needs a part `plugin`",
        ),
        (
            plugin().part("plugin", part()),
            "the part `plugin` is given twice",
        ),
        (
            plugin().text("sha256", "1"),
            "a form has the parts `plugin`, `proof` and `settings`, got `sha256`",
        ),
        (
            plugin().text("settings", "[]"),
            "part `settings`: invalid type",
        ),
        (plugin().text("proof", "{}"), "part `proof`: "),
    ] {
        let refused = swap(&agent, form).await?;
        assert_eq!(refused.status, 422, "{refused:?}");
        let said = refused.body["detail"].as_str().context("no text")?;
        assert!(said.starts_with(detail), "{said}");
    }
    for (media_type, body, status) in [
        ("multipart/form-data", "", 422),
        ("multipart/form-data; boundary=a", "--a\r\nnonsense", 422),
        ("application/json", r#"{"source": "plugin.wasm"}"#, 422),
        (
            "application/json",
            r#"{"source": "oci://a/b:c", "sha": "1"}"#,
            422,
        ),
        ("text/plain", "", 415),
    ] {
        let request = agent
            .request(Method::PUT, PLUGIN)
            .header(CONTENT_TYPE, media_type);
        let refused = answer(request.body(body)).await?;
        assert_eq!(refused.status, status, "{media_type} {body}: {refused:?}");
    }
    assert_eq!(agent.get(PLUGIN).await?, before);
    Ok(())
}
