//! Passwords and tokens of registries: used, and in no log, error or output.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge_cache_tests::agent::binary;
use edge_cache_tests::registry::{Scripted, credentials, error};
use edge_cache_tests::token_service::TokenService;
use rustix::process::Signal;
use tokio::process::Command;
use tokio::time::timeout;

use super::*;
use crate::gossip_node::Node;

const WRONG: &str = "secret-of-nobody";
const PROXY_USER: &str = "proxy-user";
const PROXY_PASSWORD: &str = "secret-of-proxy";
/// All lines of those who send requests, and the usual ones of a search for faults.
const LOG: &str = "RUST_LOG=debug,edge_cache_agent=trace,edge_cache_distribution=trace,reqwest=trace,hyper=trace,\
    hyper_util=trace,rustls=trace,h2=trace,wasmtime=info,cranelift_codegen=info";
const ENDED_WITHIN: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);

/// Secrets in each form, and all texts that must not hold them.
struct Watch {
    secrets: Vec<String>,
    texts: Vec<String>,
}

impl Watch {
    fn new() -> Self {
        let mut secrets = Vec::new();
        for (user, password) in [
            (USER, PASSWORD),
            (USER, WRONG),
            (PROXY_USER, PROXY_PASSWORD),
        ] {
            secrets.push(password.to_string());
            secrets.push(STANDARD.encode(format!("{user}:{password}")));
        }
        let texts = Vec::new();
        Self { secrets, texts }
    }

    fn see(&mut self, answer: &Answer) {
        self.texts.push(answer.body.to_string());
    }

    async fn run(&mut self, args: &[&str]) -> Result<Option<i32>> {
        let command = Command::new(binary()?)
            .args(args)
            .env("RUST_LOG", LOG)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(ENDED_WITHIN, command).await??;
        for text in [output.stdout, output.stderr] {
            self.texts.push(String::from_utf8(text)?);
        }
        Ok(output.status.code())
    }

    fn found_nothing(&self) {
        for secret in &self.secrets {
            for text in &self.texts {
                let lines = text.lines().filter(|line| line.contains(secret.as_str()));
                let lines: Vec<_> = lines.collect();
                assert!(lines.is_empty(), "{secret}: {lines:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_a_log_an_error_or_what_is_shown() -> Result<()> {
    let service = TokenService::start().await?;
    let (Some(by_token), Some(by_basic)) = (
        service.registry().await?,
        docker_registry(None, true).await?,
    ) else {
        return Ok(());
    };
    let (by_token, by_basic) = (by_token.address.to_string(), by_basic.address.to_string());
    let proxy = Scripted::start(|_| Some(error(StatusCode::FORBIDDEN, "no"))).await?;
    let mut watch = Watch::new();
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let wrong = STANDARD.encode(format!("{USER}:{WRONG}"));
    let auths = json!({"auths": {
        &by_token: {"username": USER, "password": PASSWORD},
        format!("{by_token}/acme/wrong"): {"auth": wrong},
        &by_basic: {"auth": basic},
        format!("{by_basic}/acme/wrong"): {"auth": wrong},
    }});
    write_secret(Path::new(&path("auth.json")), auths.to_string())?;
    fs::write(path("plugin.wasm"), reference_bytes()?)?;
    let reference = |host: &str, name: &str| -> Result<Reference> {
        Ok(format!("oci://{host}/acme/{name}:1").parse()?)
    };
    for (host, plugin) in [(&by_token, version(1)?), (&by_basic, version(2)?)] {
        let config = edge_cache_distribution::RegistryConfig {
            credentials: credentials(host, USER, PASSWORD)?,
            ..quick()
        };
        client(config)?
            .push(&reference(host, "plugin")?, &plugin)
            .await?;
    }

    let declared = reference(&by_token, "plugin")?.to_string();
    let variable = format!(
        "HTTPS_PROXY=http://{PROXY_USER}:{PROXY_PASSWORD}@{}",
        proxy.address
    );
    let mirror = format!("mirrored.example={by_basic}");
    let (data, auth) = (path("data"), path("auth.json"));
    let registries = [
        "--plugin-registry-plain-http",
        "--plugin-registry-credentials-file",
        &auth,
    ];
    let args = [
        "--gossip-listen",
        "127.0.0.1:0",
        "--allow-local-admin",
        "--data-dir",
        &data,
        "--plugin",
        &declared,
        "--plugin-registry-mirror",
        &mirror,
    ];
    let args = [&args[..], &registries].concat();
    let node = Node::start_with(&["env", LOG, &variable], 1, &args).await?;
    let log = node.log_handle();
    for (host, name, status) in [
        (&*by_basic, "plugin", 200),
        (&by_basic, "wrong", 502),
        (&by_basic, "nothing", 502),
        (&by_token, "plugin", 200),
        (&by_token, "wrong", 502),
        ("mirrored.example", "plugin", 200),
        ("registry.example", "plugin", 502),
    ] {
        let source = json!({"source": reference(host, name)?.to_string()});
        let answer = node.ask(Method::PUT, PLUGIN, Some(&source)).await;
        assert_eq!(answer.status, status, "{host} {name}: {answer:?}");
        watch.see(&answer);
        watch.see(&node.ask(Method::GET, PLUGIN, None).await);
    }
    assert!(!proxy.seen().is_empty(), "the proxy was not asked");
    for (method, path) in [
        (Method::POST, &*format!("{RELOAD}?pull=true")),
        (Method::POST, RELOAD),
        (Method::POST, REVERT),
        (Method::GET, "/api/v1/agent"),
        (Method::GET, "/api/v1/plugin/logs"),
        (Method::GET, "/metrics"),
    ] {
        let answer = node.ask(method, path, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        watch.see(&answer);
    }
    node.signal(Signal::HUP);
    let at = node.http.to_string();
    let (file, output) = (path("plugin.wasm"), path("pulled.wasm"));
    for (code, words) in [
        (0, ["show", "--addr", &*at, "--format", "json"]),
        (0, ["show", "--addr", &at, "--format", "table"]),
    ] {
        let ended = watch.run(&[&["plugin"], &words[..]].concat()).await?;
        assert_eq!(ended, Some(code), "{words:?}");
    }
    for host in [&by_token, &by_basic] {
        for (name, code) in [("plugin", 0), ("wrong", 1)] {
            let to = reference(host, name)?.to_string();
            for words in [["push", &*file, &to, ""], ["pull", &to, "-o", &output]] {
                let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
                let words = [&["plugin"], &words[..], &registries].concat();
                assert_eq!(watch.run(&words).await?, Some(code), "{words:?}");
            }
        }
    }
    // What checks and shows settings.
    let config = format!(
        "node_id = 1\ndata_dir = {:?}\n[plugin]\nsource = {declared:?}\nregistry_credentials_file = {auth:?}\n\
         registry_plain_http = true\n",
        path("other")
    );
    fs::write(path("agent.toml"), &config)?;
    let check = ["config", "check", "--config", &path("agent.toml")];
    assert_eq!(watch.run(&check).await?, Some(0));
    // A password where none belongs is a wrong setting, and is not repeated.
    let place = format!("{PROXY_USER}:{PROXY_PASSWORD}@mirror.example");
    for line in [
        format!("registry_mirror = [\"registry.example={place}\"]\n"),
        format!("registry_mirror = \"registry.example=https://{place}/path\"\n"),
    ] {
        fs::write(path("agent.toml"), format!("{config}{line}"))?;
        assert_eq!(watch.run(&check).await?, Some(2));
    }
    let config = config.replace(&declared, &format!("oci://{place}/acme/plugin:1"));
    fs::write(path("agent.toml"), config)?;
    assert_eq!(watch.run(&check).await?, Some(2));
    for args in [
        ["--plugin", &*format!("oci://{place}/acme/plugin:1")],
        ["--plugin", &format!("https://{place}/acme/plugin:1")],
        [
            "--plugin-registry-mirror",
            &format!("registry.example={place}"),
        ],
    ] {
        let args = [&["run", "--node-id", "1"], &args[..]].concat();
        assert_eq!(watch.run(&args).await?, Some(2), "{args:?}");
    }
    let source = json!({"source": format!("oci://{place}/acme/plugin:1")});
    let refused = node.ask(Method::PUT, PLUGIN, Some(&source)).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    watch.see(&refused);

    node.signal(Signal::TERM);
    log.expect("stopping", SOON).await;
    node.ended().await;
    let log = log.read();
    for said in ["hyper_util", "reqwest"] {
        assert!(log.contains(said), "{said}: the log has no such lines");
    }
    watch.texts.push(log);
    let issued = service.issued();
    assert!(!issued.is_empty(), "no token was issued");
    // The last part of a token is its signature.
    let signatures = issued.iter().filter_map(|token| token.rsplit('.').next());
    let signatures: Vec<_> = signatures.map(str::to_string).collect();
    watch.secrets.extend(signatures);
    watch.found_nothing();
    Ok(())
}
