//! `plugin push`, `pull`, `inspect` and `check` of the binary, with a registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::http::StatusCode;
use edge_cache_distribution::Reference;
use edge_cache_tests::agent::{Ended, binary, run_to_end, write_secret};
use edge_cache_tests::component::{reference_bytes, region};
use edge_cache_tests::proxies::Server;
use edge_cache_tests::registry::{
    Certificate, PASSWORD, Scripted, USER, client, credentials_file, docker_registry, error, quick,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

const LIMIT: u64 = 64 * 1024 * 1024;
const PLAIN: &str = "--plugin-registry-plain-http";

/// The reference plugin in a file.
struct Case {
    folder: TempDir,
    file: PathBuf,
}

impl Case {
    fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.path().join("plugin.wasm");
        fs::write(&file, reference_bytes()?)?;
        Ok(Self { folder, file })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

async fn plugin(args: &[&str]) -> Result<Ended> {
    run_to_end(&[&["plugin"], args].concat()).await
}

/// Runs a command that must succeed, and returns its only line.
async fn line(args: &[&str]) -> Result<String> {
    let ended = plugin(args).await?;
    ensure!(ended.code == Some(0), "{args:?}: {}", ended.stderr);
    let line = ended.stdout.strip_suffix('\n').context("no line")?;
    ensure!(!line.contains('\n'), "{line}");
    Ok(line.to_string())
}

fn reference(registry: &Server) -> String {
    format!("oci://{}/acme/edge-cache:0.1.0", registry.address)
}

#[tokio::test]
async fn a_pushed_file_says_what_it_is_and_is_pulled_as_it_was() -> Result<()> {
    let Some(registry) = docker_registry(None, false).await? else {
        return Ok(());
    };
    let case = Case::new()?;
    let (file, to) = (case.path("plugin.wasm"), reference(&registry));
    let pushed = line(&["push", &file, &to, PLAIN]).await?;
    assert_eq!(line(&["push", &file, &to, PLAIN]).await?, pushed);
    let pinned: Reference = pushed.parse()?;
    assert_eq!(pinned.tag(), Some("0.1.0"));

    let artifact = client(quick())?.pull(&to.parse()?, LIMIT).await?;
    let manifest = &artifact.proof.manifest;
    assert_eq!(pinned.digest(), Some(manifest.digest));
    let mut annotations = manifest.annotations.clone();
    let description = annotations.remove("org.opencontainers.image.description");
    assert!(description.is_some_and(|text| !text.is_empty()));
    let expected = [
        ("org.opencontainers.image.licenses", "Apache-2.0"),
        ("org.opencontainers.image.title", "edge-cache-plugin"),
        ("org.opencontainers.image.version", "0.1.0"),
        (
            "zlayer.edge-cache.world",
            "zlayer:edge-cache/edge-cache-plugin@0.1.0",
        ),
    ];
    let expected = expected.map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(annotations, expected.into());
    let config: Value = serde_json::from_slice(&artifact.config.context("no config")?)?;
    let component = &config["component"];
    assert_eq!(
        component["target"],
        "zlayer:edge-cache/edge-cache-plugin@0.1.0"
    );
    let exports = [
        "zlayer:edge-cache/registry@0.1.0",
        "zlayer:edge-cache/state@0.1.0",
        "zlayer:edge-cache/placement@0.1.0",
    ];
    assert_eq!(component["exports"], serde_json::json!(exports));
    let imports = component["imports"].as_array().context("no imports")?;
    assert!(
        imports
            .iter()
            .any(|name| name == "zlayer:edge-cache/gossip-labels@0.1.0")
    );

    for from in [&to, &pushed] {
        let output = case.path("pulled.wasm");
        assert_eq!(line(&["pull", from, "-o", &output, PLAIN]).await?, pushed);
        assert_eq!(fs::read(&output)?, reference_bytes()?);
        let proof = fs::read_to_string(format!("{output}.proof"))?;
        assert!(
            proof.contains("\"signatures\": []") || proof.contains("\"signatures\":[]"),
            "{proof}"
        );
    }
    let refused = plugin(&["pull", &to, "-o", "/dev/null", PLAIN]).await?;
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.stderr,
        "edge-cache-agent: cannot write the plugin /dev/null: not a regular file\n"
    );
    // What was pulled with its proof is pushed with the same manifest.
    let output = case.path("pulled.wasm");
    let again = format!("oci://{}/other/edge-cache:1", registry.address);
    let moved = line(&["push", &output, &again, PLAIN]).await?;
    assert_eq!(moved.parse::<Reference>()?.digest(), pinned.digest());
    // A proof of another plugin is not.
    fs::write(&output, fs::read(region()?)?)?;
    let refused = plugin(&["push", &output, &again, PLAIN]).await?;
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.stderr,
        format!(
            "edge-cache-agent: {output}.proof is of another plugin: sign {output} again, or remove the proof\n"
        )
    );
    Ok(())
}

#[tokio::test]
async fn inspect_and_check_take_references() -> Result<()> {
    let Some(registry) = docker_registry(None, false).await? else {
        return Ok(());
    };
    let case = Case::new()?;
    let to = reference(&registry);
    line(&["push", &case.path("plugin.wasm"), &to, PLAIN]).await?;
    let inspected = plugin(&["inspect", &to, PLAIN]).await?;
    assert_eq!(inspected.code, Some(0), "{}", inspected.stderr);
    assert!(
        inspected.stdout.starts_with(&format!("file     {to}\n")),
        "{}",
        inspected.stdout
    );
    let checked = plugin(&["check", &to, PLAIN]).await?;
    assert_eq!(
        checked.code,
        Some(0),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
    assert!(
        checked.stdout.contains(&format!("\n{to}: ")),
        "{}",
        checked.stdout
    );
    // A limit of the settings is one of the pull.
    let args = ["inspect", &to, PLAIN, "--limits-plugin-bytes", "1KiB"];
    let refused = plugin(&args).await?;
    assert_eq!(refused.code, Some(1));
    let bytes = reference_bytes()?.len();
    assert_eq!(
        refused.stderr,
        format!(
            "edge-cache-agent: cannot pull {to}: the plugin has {bytes} bytes, and the limit `limits.plugin_bytes` is 1024\n"
        )
    );
    Ok(())
}

#[tokio::test]
async fn what_no_agent_would_load_is_not_pushed() -> Result<()> {
    let registry = Scripted::start(|_| Some(error(StatusCode::BAD_REQUEST, "asked"))).await?;
    let case = Case::new()?;
    fs::write(&case.file, "no plugin")?;
    let file = case.path("plugin.wasm");
    let refused = plugin(&["push", &file, &registry.reference("1"), PLAIN]).await?;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .stderr
            .starts_with("edge-cache-agent: no agent with these settings would load plugin.wasm: "),
        "{}",
        refused.stderr
    );
    assert!(registry.seen().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_private_registry_is_reached_by_settings_of_the_environment_and_of_the_file() -> Result<()>
{
    let certificate = Certificate::new()?;
    let Some(registry) = docker_registry(Some(&certificate), true).await? else {
        return Ok(());
    };
    let case = Case::new()?;
    let (file, to) = (case.path("plugin.wasm"), reference(&registry));
    let host = registry.address.to_string();
    fs::write(case.path("ca.pem"), &certificate.pem)?;
    let auth = credentials_file(&host, USER, PASSWORD);
    write_secret(Path::new(&case.path("auth.json")), auth)?;
    let config = format!(
        "[plugin]\nregistry_ca_file = {:?}\nregistry_credentials_file = {:?}\n",
        case.path("ca.pem"),
        case.path("auth.json")
    );
    fs::write(case.path("agent.toml"), config)?;
    let settings = case.path("agent.toml");
    let pushed = line(&["push", &file, &to, "--config", &settings]).await?;
    let output = case.path("pulled.wasm");
    let pull = ["pull", &to, "-o", &output, "--config", &settings];
    assert_eq!(line(&pull).await?, pushed);

    let flags = ["--plugin-registry-ca-file", &case.path("ca.pem")];
    let refused = plugin(&[&["pull", &to, "-o", &output], &flags[..]].concat()).await?;
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.stderr,
        format!(
            "edge-cache-agent: cannot pull {to}: the registry `{host}` asks for a user name and password: add the registry to \
             `plugin.registry_credentials_file`\n"
        )
    );
    // Files that cannot be used are wrong settings.
    let (bad, auth) = (case.path("bad"), case.path("auth.json"));
    fs::write(&bad, "no certificate")?;
    let refused = plugin(&["pull", &to, "--plugin-registry-ca-file", &bad]).await?;
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.stderr,
        "edge-cache-agent: cannot use the settings of registries: the CA file must hold certificates in PEM (`-----BEGIN \
         CERTIFICATE-----`), each undamaged\n"
    );
    fs::set_permissions(&auth, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let refused = plugin(&["pull", &to, "--plugin-registry-credentials-file", &auth]).await?;
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.stderr,
        format!(
            "edge-cache-agent: cannot use the credentials {auth}: file mode 0644: others must not read the file and only its \
             owner may write it; use `chmod 600`\n"
        )
    );
    Ok(())
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_but_not_for_loopback() -> Result<()> {
    let proxy = Scripted::start(|_| Some(error(StatusCode::FORBIDDEN, "no"))).await?;
    let registry = Scripted::start(|_| None).await?;
    let url = format!("http://{}", proxy.address);
    let pull = async |reference: &str| -> Result<String> {
        let command = Command::new(binary()?)
            .args(["plugin", "pull", reference, PLAIN])
            .env("HTTPS_PROXY", &url)
            .env("HTTP_PROXY", &url)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(Duration::from_secs(60), command).await??;
        Ok(String::from_utf8(output.stderr)?)
    };
    let missing = pull(&registry.reference("1")).await?;
    assert!(missing.contains("has no `acme/plugin:1`"), "{missing}");
    assert!(proxy.seen().is_empty());
    let refused = pull("oci://registry.example/acme/plugin:1").await?;
    assert!(
        refused.contains("cannot reach the registry `registry.example`: "),
        "{refused}"
    );
    let seen = proxy.seen();
    let asked = seen.first().context("the proxy was not asked")?;
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("CONNECT", "registry.example:443")
    );
    Ok(())
}
