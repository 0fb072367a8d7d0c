//! Errors of commands, with what helps against each.

use std::fs;
use std::path::Path;

use edge_cache_tests::agent::{Agent, run_to_end, write_secret};
use rcgen::{CertificateParams, Issuer, KeyPair};

use crate::access::{token, write};
use crate::gossip_node::Node;

/// A root, and a certificate that it has signed for `agent.example` and 127.0.0.1.
struct Certificates {
    root: String,
    chain: String,
    key: String,
}

fn certificates(names: &[&str]) -> Certificates {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let root_key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(root, root_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(names).unwrap();
    Certificates {
        root: root_pem,
        chain: leaf.signed_by(&key, &issuer).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// Runs a command that must fail, and returns its line.
async fn failed(words: &[&str]) -> String {
    let ended = run_to_end(words).await.unwrap();
    assert!(!matches!(ended.code, Some(0) | None), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    ended.stderr
}

#[tokio::test]
async fn an_error_names_what_helps() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let place = |name: &str, text: &str| {
        write_secret(&path(name), text).unwrap();
        path(name).to_str().unwrap().to_string()
    };
    let own = certificates(&["127.0.0.1"]);
    let named = certificates(&["agent.example"]);
    let admin = token("admin", "admin").await;
    write(&path("tokens"), &[&admin]);
    let tokens = path("tokens");
    let serve = async |certificates: &Certificates, name: &str| {
        let chain = place(&format!("{name}.pem"), &certificates.chain);
        let key = place(&format!("{name}.key"), &certificates.key);
        let args = [
            ["--api-token-file", tokens.to_str().unwrap()],
            ["--http-tls-cert-file", &chain],
            ["--http-tls-key-file", &key],
        ];
        Node::start(1, args.as_flattened()).await.unwrap()
    };
    let tls = serve(&own, "own").await;
    let other = serve(&named, "named").await;
    let plain = Agent::start(&["--node-id", "2"]).await.unwrap();
    let (own_root, named_root) = (place("root", &own.root), place("other", &named.root));
    let secret = place("secret", &admin.secret);
    let guess = place("guess", "ect_guess");
    let https = |at: std::net::SocketAddr| format!("https://{at}");
    let (tls, other, plain) = (tls.http, other.http, plain.http);
    for (addr, more, said) in [
        (
            format!("http://{tls}"),
            vec![],
            "use https://, in commands with --ca-file",
        ),
        (https(tls), vec![], "needs --ca-file (EDGE_CACHE_CA_FILE)"),
        (
            https(plain),
            vec!["--ca-file", &own_root],
            "use http:// in --addr",
        ),
        (
            https(tls),
            vec!["--ca-file", &own_root],
            "by --token-file (EDGE_CACHE_TOKEN_FILE)",
        ),
        (
            https(tls),
            vec!["--ca-file", &own_root, "--token-file", &guess],
            "by --token-file (EDGE_CACHE_TOKEN_FILE)",
        ),
        (
            https(tls),
            vec!["--ca-file", &named_root, "--token-file", &secret],
            "--ca-file (EDGE_CACHE_CA_FILE) must hold the root",
        ),
        (
            https(other),
            vec!["--ca-file", &named_root, "--token-file", &secret],
            "use a name of the certificate in --addr",
        ),
    ] {
        let words = [&["nodes", "--addr", &addr], &more[..]].concat();
        let line = failed(&words).await;
        assert!(line.contains(said), "{words:?}: {line}");
    }
    let good = ["nodes", "--addr", &https(tls), "--ca-file", &own_root];
    let good = [&good[..], &["--token-file", &secret]].concat();
    assert_eq!(run_to_end(&good).await.unwrap().code, Some(0));
    let missing = directory.path().join("nothing");
    nobody_listens(&missing).await;
}

/// Each command that asks an agent says that there is none.
async fn nobody_listens(file: &Path) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    drop(listener);
    fs::write(file, "{\"nodes\":[]}").unwrap();
    let file = file.to_str().unwrap();
    for command in [
        &["nodes"][..],
        &["events"],
        &["apply", file],
        &["snapshot", "save", file],
        &["forget", "7"],
    ] {
        let line = failed(&[command, &["--addr", &at]].concat()).await;
        let said = "no agent listens there; start it, or name another by --addr";
        assert!(line.contains(said), "{command:?}: {line}");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "{\"nodes\":[]}");
}
