//! Tokens as an operator and a client see them: made, asked for, exchanged while the agent runs, and wrong.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_cache_tests::agent::{Answer, answer, binary, client, run_to_end, write_secret};
use edge_cache_tests::wait::until;
use reqwest::Method;
use reqwest::header::WWW_AUTHENTICATE;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::gossip_node::Node;

/// Maximum time for an agent to reload its tokens.
const READ_WITHIN: Duration = Duration::from_secs(5);
const ENTRY: &str = "/api/v1/nodes/7/edge-cache";

pub(crate) struct Token {
    pub(crate) secret: String,
    pub(crate) line: String,
}

/// A new token, as an operator makes one.
pub(crate) async fn token(name: &str, role: &str) -> Token {
    let output = Command::new(binary().unwrap())
        .args(["token", "new", "--name", name, "--role", role])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [secret, line] = lines[..] else {
        panic!("not two lines: {lines:?}")
    };
    Token {
        secret: secret.strip_prefix("token=").unwrap().to_string(),
        line: line.strip_prefix("line=").unwrap().to_string(),
    }
}

/// Returns whether a line of the log has both.
fn has_line(log: &str, said: [&str; 2]) -> bool {
    log.lines()
        .any(|line| said.iter().all(|said| line.contains(said)))
}

/// Writes a file of tokens that only its owner reads.
pub(crate) fn write(file: &Path, tokens: &[&Token]) {
    let text: String = tokens
        .iter()
        .map(|token| token.line.clone() + "\n")
        .collect();
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

/// Starts an agent with these tokens.
pub(crate) async fn start(file: &Path, more: &[&str]) -> Node {
    let gossip = ["--gossip-listen", "127.0.0.1:0"];
    let tokens = ["--api-token-file", file.to_str().unwrap()];
    let args = [&gossip[..], &tokens, more].concat();
    Node::start_with(&[], 1, &args).await.unwrap()
}

async fn ask(at: SocketAddr, method: Method, path: &str, secret: Option<&str>) -> Answer {
    let mut request = client(&[])
        .unwrap()
        .request(method.clone(), format!("http://{at}{path}"));
    if let Some(secret) = secret {
        request = request.bearer_auth(secret);
    }
    if method == Method::POST {
        let stats = json!({"hits": 1, "misses": 0});
        let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
        request = request.json(if path.ends_with("stats") {
            &stats
        } else {
            &capacity
        });
    }
    answer(request).await.unwrap()
}

/// Waits until the agent has read its files so often with success and so often without.
async fn reread(node: &Node, taken: usize, refused: usize) {
    node.signal(Signal::HUP);
    until("the tokens to be read again", READ_WITHIN, || async {
        let log = node.log();
        let seen = (
            log.matches("reloaded part=api-tokens").count(),
            log.matches("goes on part=api-tokens").count(),
        );
        if seen == (taken, refused) {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
}

#[tokio::test]
async fn each_role_may_do_what_it_is_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let tokens = [
        token("watcher", "read").await,
        token("deploy", "write").await,
        token("ops", "admin").await,
    ];
    write(&file, &tokens.iter().collect::<Vec<_>>());
    let node = start(&file, &[]).await;
    let at = node.http;
    // The least role that is let in, and what it gets then.
    let stats = format!("{ENTRY}/stats");
    for (method, path, least, status) in [
        (Method::POST, ENTRY, 1, 204),
        (Method::GET, ENTRY, 0, 200),
        (Method::HEAD, ENTRY, 0, 200),
        (Method::POST, &stats, 1, 200),
        (Method::GET, &stats, 0, 200),
        (Method::GET, "/api/v1/edge-cache/nodes", 0, 200),
        (Method::GET, "/api/v1/cluster/gossip/peers", 0, 200),
        (Method::GET, "/api/v1/plugin", 0, 200),
        (Method::GET, "/api/v1/nope", 0, 404),
        (Method::PATCH, ENTRY, 0, 405),
        (Method::DELETE, ENTRY, 1, 204),
    ] {
        let asked = format!("{method} {path}");
        for secret in [None, Some(""), Some("ect_guess"), Some(&*tokens[0].line)] {
            let found = ask(at, method.clone(), path, secret).await;
            assert_eq!(found.status.as_u16(), 401, "{asked}: {found:?}");
            if method != Method::HEAD {
                assert_eq!(found.body["type"], "/problems/unauthorized", "{found:?}");
                assert_eq!(found.content_type, "application/problem+json");
            }
        }
        for (role, token) in tokens.iter().enumerate() {
            if method == Method::DELETE && role > least {
                // It was there once.
                continue;
            }
            let found = ask(at, method.clone(), path, Some(&token.secret)).await;
            let expected = if role < least { 403 } else { status };
            assert_eq!(found.status.as_u16(), expected, "{asked}: {found:?}");
            if expected == 403 {
                let detail = found.body["detail"].as_str().unwrap();
                let roles = detail.contains("`write`") && detail.contains("`read`");
                assert!(roles && detail.contains("`watcher`"), "{detail}");
                assert_eq!(found.body["type"], "/problems/forbidden", "{found:?}");
            }
        }
    }
    for path in ["/health/livez", "/health/readyz"] {
        assert_eq!(ask(at, Method::GET, path, None).await.status, 200, "{path}");
    }
    let refused = client(&[]).unwrap().get(format!("http://{at}{ENTRY}"));
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Bearer");

    // A thread of its own writes the log. A reader is named too, with the refused operation.
    let log = until("the last line", READ_WITHIN, || async {
        let log = node.log();
        let is_whole = has_line(&log, ["token=watcher", "method=DELETE"]);
        is_whole.then(|| log.clone()).ok_or(log)
    })
    .await;
    assert!(has_line(&log, ["token=deploy", "method=POST"]), "{log}");
    let mut named = log.lines().filter(|line| line.contains("token=watcher"));
    assert!(
        named.all(|line| line.contains("status=403") || line.contains("status=405")),
        "{log}"
    );
    for token in &tokens {
        assert!(!log.contains(&token.secret[4..]), "a token is in the log");
    }
}

#[tokio::test]
async fn the_role_stats_puts_counters_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let roles = ["stats", "read", "write", "admin"];
    let mut tokens = Vec::new();
    for role in roles {
        tokens.push(token(role, role).await);
    }
    write(&file, &tokens.iter().collect::<Vec<_>>());
    let node = start(&file, &[]).await;
    let (at, writer) = (node.http, &tokens[2].secret);
    let enabled = ask(at, Method::POST, ENTRY, Some(writer)).await;
    assert_eq!(enabled.status, 204, "{enabled:?}");

    let source = format!("{ENTRY}/stats/sources/cache");
    let put = async |secret: &str| {
        let url = format!("http://{at}{source}");
        let body = json!({"hits": 3, "misses": 1});
        let request = client(&[]).unwrap().put(url).bearer_auth(secret);
        answer(request.json(&body)).await.unwrap()
    };
    let mut statuses = Vec::new();
    for token in &tokens {
        statuses.push(put(&token.secret).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 403, 200, 200], "{roles:?}");
    let refused = put(&tokens[1].secret).await;
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("`stats`") && detail.contains("`read`"),
        "{detail}"
    );

    let feeder = Some(&*tokens[0].secret);
    let stats = format!("{ENTRY}/stats");
    for (method, path) in [
        (Method::GET, &*stats),
        (Method::POST, &stats),
        (Method::GET, ENTRY),
        (Method::POST, ENTRY),
        (Method::DELETE, ENTRY),
        (Method::GET, "/api/v1/edge-cache/nodes"),
        (Method::GET, "/metrics"),
        (Method::GET, "/openapi.json"),
        (Method::POST, "/api/v1/agent/leave"),
    ] {
        let found = ask(at, method.clone(), path, feeder).await;
        assert_eq!(found.status, 403, "{method} {path}: {found:?}");
    }

    // A feeder with the wrong role ends, one with the right role feeds.
    for (token, code) in [(&tokens[1], 4), (&tokens[0], 0)] {
        let secret = directory.path().join("secret");
        write_secret(&secret, &token.secret).unwrap();
        let args = format!(
            "feed log --node 7 --addr {at} --token-file {}",
            secret.display()
        );
        let args: Vec<&str> = args.split(' ').collect();
        let ended = run_to_end(&args).await.unwrap();
        assert_eq!(ended.code, Some(code), "{ended:?}");
    }
}

#[tokio::test]
async fn tokens_are_exchanged_while_the_agent_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let (old, new) = (token("old", "read").await, token("new", "read").await);
    write(&file, &[&old]);
    let node = start(&file, &[]).await;
    let statuses = async || {
        let mut seen = Vec::new();
        for token in [&old, &new] {
            let secret = Some(&*token.secret);
            let path = "/api/v1/plugin";
            seen.push(
                ask(node.http, Method::GET, path, secret)
                    .await
                    .status
                    .as_u16(),
            );
        }
        seen
    };
    assert_eq!(statuses().await, [200, 401]);
    write(&file, &[&old, &new]);
    reread(&node, 1, 0).await;
    assert_eq!(statuses().await, [200, 200]);
    write(&file, &[&new]);
    reread(&node, 2, 0).await;
    assert_eq!(statuses().await, [401, 200]);

    // What can't be used changes nothing.
    std::fs::write(&file, format!("{}\nnonsense\n", old.line)).unwrap();
    reread(&node, 2, 1).await;
    write(&file, &[&old]);
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    reread(&node, 2, 2).await;
    std::fs::remove_file(&file).unwrap();
    reread(&node, 2, 3).await;
    assert_eq!(statuses().await, [401, 200]);
    let log = node.log();
    for said in ["line 2 must be", "file mode 0644", "No such file"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert!(!log.contains(&old.line[16..]), "a hash is in the log");
}

#[tokio::test]
async fn a_token_file_that_cannot_be_used_is_named_with_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let line = token("a", "read").await.line;
    let written = |name: &str, text: &str, mode: u32| -> PathBuf {
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        file
    };
    for (file, said) in [
        (directory.path().join("missing"), "No such file"),
        (directory.path().to_owned(), "regular file"),
        (written("empty", "", 0o600), "at least one"),
        (written("open", &line, 0o644), "chmod 600"),
        (written("words", "some words", 0o600), "NAME ROLE sha256"),
        (
            written("role", &line.replace("read", "root"), 0o600),
            "`stats`, `read`, `write` or `admin`",
        ),
    ] {
        let name = file.to_str().unwrap();
        let ended = run_to_end(&["--node-id", "1", "--api-token-file", name])
            .await
            .unwrap();
        let stderr = &ended.stderr;
        assert_eq!(ended.code, Some(1), "{stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
        assert!(stderr.contains(said) && stderr.contains(name), "{stderr}");
        assert!(!stderr.contains(&line[14..]), "it shows a hash: {stderr}");
    }
    let ended = run_to_end(&["token", "new", "--name", "a b", "--role", "read"]).await;
    let ended = ended.unwrap();
    assert!(ended.stderr.contains("letters, digits"), "{ended:?}");
    let ended = run_to_end(&["token", "new", "--name", "a", "--role", "root"]).await;
    let ended = ended.unwrap();
    assert!(
        ended.code == Some(2) && ended.stderr.contains("`admin`"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn beyond_loopback_there_are_tokens_over_tls_unless_it_is_said_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let watcher = token("watcher", "read").await;
    write(&file, &[&watcher]);
    let any = ["--http-listen", "0.0.0.0:0"];
    let tokens = ["--api-token-file", file.to_str().unwrap()];
    for (args, said) in [
        (any.to_vec(), "--api-token-file"),
        (
            [&any[..], &["--insecure-http"]].concat(),
            "--api-token-file",
        ),
        ([any, tokens].concat(), "--http-tls-cert-file"),
        ([any, tokens].concat(), "--insecure-http"),
    ] {
        let ended = run_to_end(&[&["--node-id", "1"], &args[..]].concat())
            .await
            .unwrap();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    let node = start(&file, &[&any[..], &["--insecure-http"]].concat()).await;
    let at = SocketAddr::from(([127, 0, 0, 1], node.http.port()));
    let request = |header: &'static str, value: &'static str| {
        client(&[])
            .unwrap()
            .get(format!("http://{at}/api/v1/plugin"))
            .bearer_auth(&watcher.secret)
            .header(header, value)
    };
    let named = answer(request("host", "cache.example")).await.unwrap();
    assert_eq!(named.status, 200, "{named:?}");
    let page = answer(request("origin", "https://cache.example"))
        .await
        .unwrap();
    assert_eq!(page.status, 403, "{page:?}");
    assert_eq!(page.body["type"], "/problems/not-local");
    let nobody: Value = ask(at, Method::GET, "/api/v1/plugin", None).await.body;
    assert_eq!(nobody["status"], 401);
}

#[tokio::test]
async fn an_event_stream_ends_when_its_token_is_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let (old, new) = (token("old", "read").await, token("new", "read").await);
    write(&file, &[&old, &new]);
    let node = start(&file, &[]).await;
    let mut streams = Vec::new();
    for token in [&old, &new] {
        let url = format!("http://{}/api/v1/events", node.http);
        let request = client(&[]).unwrap().get(url).bearer_auth(&token.secret);
        let mut stream = request.send().await.unwrap();
        assert!(stream.chunk().await.unwrap().is_some());
        streams.push(stream);
    }
    write(&file, &[&new]);
    reread(&node, 1, 0).await;
    let [revoked, known] = &mut streams[..] else {
        unreachable!()
    };
    // Events that were under way still arrive.
    let end = async { while revoked.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(READ_WITHIN, end).await.unwrap();
    let end = async { while known.chunk().await.unwrap().is_some() {} };
    let end = tokio::time::timeout(Duration::from_millis(300), end).await;
    assert!(end.is_err(), "it goes on");
}

#[tokio::test]
async fn an_answer_and_its_log_line_have_one_request_id() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let deploy = token("deploy", "write").await;
    write(&file, &[&deploy]);
    let node = start(&file, &[]).await;
    let url = format!("http://{}{ENTRY}", node.http);
    let request = client(&[]).unwrap().delete(url).bearer_auth(&deploy.secret);
    let response = request.send().await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap();
    let log = node.log_handle();
    log.expect(id, READ_WITHIN).await;
    let log = node.log();
    let line = log.lines().find(|line| line.contains(id)).unwrap();
    assert!(
        line.contains("token=deploy") && line.contains("status=404"),
        "{line}"
    );
}
