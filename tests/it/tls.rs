//! The API over TLS: certificates that are exchanged while the agent runs, and clients that speak something else.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use edge_cache_tests::agent::{client, run_to_end};
use edge_cache_tests::wait::until;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::access::{token, write};
use crate::gossip_node::Node;

/// Maximum time for an agent to reload its certificate.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Maximum time that a connection without a TLS handshake may stay.
const CLOSED_WITHIN: Duration = Duration::from_secs(8);

struct Files {
    directory: tempfile::TempDir,
    args: Vec<String>,
}

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_string(), "127.0.0.1".to_string()]).unwrap()
}

fn place(directory: &Path, certificate: &str, key: &str) {
    std::fs::write(directory.join("cert.pem"), certificate).unwrap();
    std::fs::write(directory.join("key.pem"), key).unwrap();
    std::fs::set_permissions(directory.join("key.pem"), Permissions::from_mode(0o600)).unwrap();
}

impl Files {
    fn new(pair: &CertifiedKey<KeyPair>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
        let args = vec![
            "--http-tls-cert-file".to_string(),
            path("cert.pem"),
            "--http-tls-key-file".to_string(),
            path("key.pem"),
        ];
        let files = Self { directory, args };
        files.place(&pair.cert.pem(), &pair.signing_key.serialize_pem());
        files
    }

    fn place(&self, certificate: &str, key: &str) {
        place(self.directory.path(), certificate, key);
    }

    async fn start(&self, more: &[&str]) -> Node {
        let args = self.args.iter().map(String::as_str);
        let args: Vec<&str> = args.chain(more.iter().copied()).collect();
        Node::start(1, &args).await.unwrap()
    }
}

/// Returns `true` if a client that trusts only this certificate gets an answer on a new connection.
async fn reaches(at: SocketAddr, certificate: &str) -> bool {
    let client = client(&[certificate]).unwrap();
    match client
        .get(format!("https://{at}/health/livez"))
        .send()
        .await
    {
        Ok(answer) => answer.status() == StatusCode::OK,
        Err(error) => {
            assert!(error.is_connect(), "{error:?}");
            false
        }
    }
}

async fn reread(node: &Node, said: &str, times: usize) {
    node.signal(Signal::HUP);
    until(said, READ_WITHIN, || async {
        let seen = node.log().matches(said).count();
        if seen == times { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test]
async fn certificates_are_exchanged_while_the_agent_runs() {
    let (old, new) = (pair(), pair());
    let files = Files::new(&old);
    let node = files.start(&[]).await;
    let reached = async || {
        (
            reaches(node.http, &old.cert.pem()).await,
            reaches(node.http, &new.cert.pem()).await,
        )
    };
    assert_eq!(reached().await, (true, false));
    // A connection of before goes on with what it has agreed upon.
    let before = client(&[&old.cert.pem()]).unwrap();
    let url = format!("https://{}/api/v1/plugin", node.http);
    assert_eq!(before.get(&url).send().await.unwrap().status(), 200);
    files.place(&new.cert.pem(), &new.signing_key.serialize_pem());
    reread(&node, "reloaded part=certificate", 1).await;
    assert_eq!(reached().await, (false, true));
    assert_eq!(before.get(&url).send().await.unwrap().status(), 200);

    let kept = "goes on part=certificate";
    files.place(&old.cert.pem(), &new.signing_key.serialize_pem());
    reread(&node, kept, 1).await;
    files.place("", "");
    reread(&node, kept, 2).await;
    assert_eq!(reached().await, (false, true));
    assert!(!node.log().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn tokens_go_with_tls_beyond_loopback() {
    let pair = pair();
    let files = Files::new(&pair);
    let tokens = files.directory.path().join("tokens");
    let deploy = token("deploy", "write").await;
    write(&tokens, &[&deploy]);
    let path = tokens.to_str().unwrap();
    let node = files
        .start(&["--http-listen", "0.0.0.0:0", "--api-token-file", path])
        .await;
    let client = client(&[&pair.cert.pem()]).unwrap();
    let ask = |method| {
        let port = node.http.port();
        client.request(
            method,
            format!("https://localhost:{port}/api/v1/nodes/7/edge-cache"),
        )
    };
    let nobody = ask(Method::DELETE).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let known = ask(Method::DELETE).bearer_auth(&deploy.secret);
    let known = known.send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_answered_and_half_a_handshake_is_closed() {
    let pair = pair();
    let node = Files::new(&pair).start(&[]).await;
    let mut plain = TcpStream::connect(node.http).await.unwrap();
    let request = b"GET /health/livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    plain.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // The rest of the request is thrown away, which may reset the connection behind the answer.
    let _ = timeout(READ_WITHIN, plain.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("/problems/not-tls") && answer.contains("https"),
        "{answer}"
    );

    // Neither half a greeting nor none holds a connection for long.
    let start = Instant::now();
    let mut half = TcpStream::connect(node.http).await.unwrap();
    half.write_all(&[22, 3, 1]).await.unwrap();
    let silent = TcpStream::connect(node.http).await.unwrap();
    for mut stream in [half, silent] {
        let mut rest = Vec::new();
        let _ = timeout(CLOSED_WITHIN, stream.read_to_end(&mut rest))
            .await
            .unwrap();
        assert!(
            start.elapsed() > Duration::from_secs(1),
            "it was cut off at once"
        );
    }
    assert!(reaches(node.http, &pair.cert.pem()).await);

    // TLS where plain HTTP is spoken.
    let plain = Node::start(2, &[]).await.unwrap();
    assert!(!reaches(plain.http, &pair.cert.pem()).await);
    assert!(plain.livez().await);
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_is_named() {
    let (one, other) = (pair(), pair());
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    for (certificate, key, mode, said) in [
        (
            &certificate,
            &other.signing_key.serialize_pem(),
            0o600,
            "key.pem cannot be used together",
        ),
        (&key, &key, 0o600, "cert.pem must hold 1 to 16 certificates"),
        (
            &certificate,
            &certificate,
            0o600,
            "key.pem must hold a private key",
        ),
        (&certificate, &key, 0o644, "chmod 600"),
    ] {
        let files = Files::new(&one);
        files.place(certificate, key);
        let place = files.directory.path().join("key.pem");
        std::fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
        let args = files.args.iter().map(String::as_str);
        let args: Vec<&str> = ["--node-id", "1"].into_iter().chain(args).collect();
        let ended = run_to_end(&args).await.unwrap();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{ended:?}");
    }
}
