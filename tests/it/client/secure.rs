//! Tokens, TLS and the environment.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use edge_cache_tests::agent::{Agent, Ended, binary, run_to_end};
use rcgen::generate_simple_self_signed;
use tokio::process::Command;

use super::canned::{self, Canned};
use crate::access::{token, write};
use crate::gossip_node::Node;

fn place(file: &Path, text: &str, mode: u32) -> String {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
    file.to_str().unwrap().to_string()
}

async fn ask(words: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = Command::new(binary().unwrap())
        .args(words)
        .envs(variables.iter().copied())
        .output()
        .await
        .unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn an_agent_with_tokens_and_tls_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let names = ["localhost".to_string(), "127.0.0.1".to_string()];
    let pair = generate_simple_self_signed(names.clone()).unwrap();
    let other = generate_simple_self_signed(names).unwrap();
    let certificate = place(&path("cert.pem"), &pair.cert.pem(), 0o644);
    let wrong = place(&path("other.pem"), &other.cert.pem(), 0o644);
    let key = place(&path("key.pem"), &pair.signing_key.serialize_pem(), 0o600);
    let (watcher, deploy) = (
        token("watcher", "read").await,
        token("deploy", "write").await,
    );
    write(&path("tokens"), &[&watcher, &deploy]);
    let tokens = path("tokens");
    let args = [
        ["--api-token-file", tokens.to_str().unwrap()],
        ["--http-tls-cert-file", &certificate],
        ["--http-tls-key-file", &key],
    ];
    let node = Node::start(1, args.as_flattened()).await.unwrap();
    let secret = |name: &str, text: &str, mode| place(&path(name), text, mode);
    let read = secret("read", &watcher.secret, 0o600);
    let may_write = secret("write", &format!("{}\n", deploy.secret), 0o600);
    let guess = secret("guess", "ect_guess", 0o600);
    let line = secret("line", &format!("token={}", deploy.secret), 0o600);
    let open = secret("open", &deploy.secret, 0o644);
    let (https, plain) = (format!("https://{}", node.http), node.http.to_string());
    let enable = "enable 7 --cpu-cores 1 --ram-mib 2 --disk-mib 3";
    for (command, addr, ca, token, code, said) in [
        ("nodes", &https, Some(&certificate), Some(&read), 0, ""),
        (enable, &https, Some(&certificate), Some(&may_write), 0, ""),
        (
            enable,
            &https,
            Some(&certificate),
            Some(&read),
            4,
            "403 Forbidden",
        ),
        (
            "nodes",
            &https,
            Some(&certificate),
            Some(&guess),
            4,
            "401 Unauthorized",
        ),
        (
            "nodes",
            &https,
            Some(&certificate),
            None,
            4,
            "401 Unauthorized",
        ),
        ("nodes", &https, Some(&wrong), Some(&read), 1, "certificate"),
        ("nodes", &https, None, Some(&read), 2, "--ca-file"),
        (
            "nodes",
            &https,
            Some(&key),
            Some(&read),
            2,
            "certificates in PEM",
        ),
        (
            "nodes",
            &https,
            Some(&certificate),
            Some(&line),
            2,
            "`token=`",
        ),
        (
            "nodes",
            &https,
            Some(&certificate),
            Some(&open),
            2,
            "chmod 600",
        ),
        ("nodes", &plain, None, None, 4, "https"),
    ] {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        words.extend(["--addr", addr]);
        words.extend(ca.into_iter().flat_map(|file| ["--ca-file", file]));
        words.extend(token.into_iter().flat_map(|file| ["--token-file", file]));
        let ended = run_to_end(&words).await.unwrap();
        assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{words:?}: {ended:?}");
        assert_eq!(
            ended.stderr.lines().count(),
            usize::from(code != 0),
            "{ended:?}"
        );
        for secret in [&watcher.secret, &deploy.secret, "ect_guess"] {
            assert!(!ended.stderr.contains(secret), "{ended:?}");
        }
    }
    // The same from the environment.
    let variables = [
        ("EDGE_CACHE_ADDR", https.as_str()),
        ("EDGE_CACHE_CA_FILE", &certificate),
        ("EDGE_CACHE_TOKEN_FILE", &read),
    ];
    let ended = ask(&["node", "7", "--format", "json"], &variables).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_token_stays_on_the_machine_and_with_its_agent() {
    let directory = tempfile::tempdir().unwrap();
    let file = place(&directory.path().join("token"), "ect_secret", 0o600);
    let far = ["nodes", "--token-file", &file, "--addr", "192.0.2.1:7947"];
    let ended = run_to_end(&far).await.unwrap();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--insecure-http"), "{ended:?}");
    let meant = [&far[..], &["--insecure-http", "--timeout", "1ms"]].concat();
    let ended = run_to_end(&meant).await.unwrap();
    assert_eq!(ended.code, Some(1), "{ended:?}");

    let target = Canned::new(&[canned::answer(200, "application/json", "{\"nodes\":[]}")]).await;
    let location = format!(
        "HTTP/1.1 307 \r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        target.at
    );
    let server = Canned::new(&[location]).await;
    let at = server.at.to_string();
    let near = ["nodes", "--token-file", &file, "--addr", &at];
    let ended = run_to_end(&near).await.unwrap();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let heads = server.heads();
    assert!(
        heads[0].contains("authorization: Bearer ect_secret\r\n"),
        "{heads:?}"
    );
    assert_eq!(target.heads(), [""; 0], "it was followed elsewhere");
}

#[tokio::test]
async fn flags_go_over_variables_and_an_empty_one_is_none() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let at = agent.http.to_string();
    let wrong = ("EDGE_CACHE_ADDR", "192.0.2.1");
    let empty = [("EDGE_CACHE_TOKEN_FILE", ""), ("EDGE_CACHE_CA_FILE", "")];
    let ended = ask(
        &["nodes"],
        &[&[("EDGE_CACHE_ADDR", at.as_str())][..], &empty].concat(),
    )
    .await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let nonexistent = ("EDGE_CACHE_CONFIG", "/nonexistent");
    let ended = ask(&["nodes", "--addr", &at], &[nonexistent]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = ask(&["nodes"], &[wrong]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("`EDGE_CACHE_ADDR`"), "{ended:?}");
    assert!(ended.stderr.contains("HOST:PORT"), "{ended:?}");
}
