use edge_cache_host::gossip::{GossipPool, PeerInfo};

use super::consistency::check;
use super::*;
use crate::cli::{self, Command, Parsed};
use crate::exit;

fn args(line: &str) -> AgentSettings {
    let words = std::iter::once("edge-cache-agent").chain(line.split_whitespace());
    match cli::parse(words.map(Into::into), &|_| None) {
        Parsed::Cli(cli) => match cli.command {
            Command::Run(args) => *args,
            other => panic!("{line}: {other:?}"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn contradicting_settings_are_usage_errors() {
    let too_long = format!(
        "--node-id 1 --label {}=x",
        "k".repeat(PeerInfo::ENCODED_BYTES_MAX)
    );
    for (line, said) in [
        ("--node-id 1 --http-listen 0.0.0.0:0", "--api-token-file"),
        ("--node-id 1 --http-listen [::]:0", "--api-token-file"),
        (
            "--node-id 1 --http-listen [::]:0 --api-token-file t",
            "--http-tls-cert-file",
        ),
        (
            "--node-id 1 --http-listen [::]:0 --api-token-file t",
            "--insecure-http",
        ),
        ("--node-id 1 --http-tls-cert-file c", "--http-tls-key-file"),
        ("--node-id 1 --http-tls-key-file k", "--http-tls-cert-file"),
        (
            "--node-id 1 --api-token-file t --allow-local-admin",
            "--allow-local-admin",
        ),
        ("--node-id 1 --gossip-listen 0.0.0.0:0", "--insecure-gossip"),
        ("--node-id 1 --seed a:1", "--gossip-listen"),
        (
            "--node-id 1 --gossip-advertise 10.0.0.1:1",
            "--gossip-listen",
        ),
        (&too_long, "--label"),
        (
            "--node-id 1 --limits-epoch-tick 1s",
            "--limits-call-deadline",
        ),
    ] {
        let error = check(&args(line)).unwrap_err();
        assert_eq!(exit::code(&error), exit::USAGE, "{line}: {error:?}");
        assert!(error.to_string().contains(said), "{line}: {error}");
    }
}

#[test]
fn all_contradictions_are_named_by_their_keys_and_flags() {
    let line = "--node-id 1 --seed a:1 --http-listen 192.0.2.1:80 --allow-local-admin --cache-check tcp \
                --limits-epoch-tick 1s --overlay-ip 224.0.0.1";
    let error = check(&args(line)).unwrap_err().to_string();
    let said = [
        "`http.listen` (`--http-listen`) beyond loopback needs `api_token_file` (`--api-token-file`)",
        "`http.insecure` (`--insecure-http`)",
        "`overlay_ip` (`--overlay-ip`) cannot be 224.0.0.1",
        "`limits.epoch_tick` (`--limits-epoch-tick`) must not",
        "`cache.check` (`--cache-check`) of `tcp` needs `cache.address` (`--cache-address`)",
        "`gossip.seed` (`--seed`) needs `gossip.listen` (`--gossip-listen`)",
    ];
    for said in said {
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn tokens_beyond_loopback_need_tls_or_the_insecure_flag() {
    let any = "--node-id 1 --http-listen [::]:0 --api-token-file t";
    for more in [
        "--insecure-http",
        "--http-tls-cert-file c --http-tls-key-file k",
    ] {
        check(&args(&format!("{any} {more}"))).unwrap();
    }
    check(&args(
        "--node-id 1 --http-listen [::1]:0 --allow-local-admin",
    ))
    .unwrap();
}

#[tokio::test]
async fn settings_that_gossip_refuses_are_usage_errors() {
    let long = "k".repeat(PeerInfo::ENCODED_BYTES_MAX);
    for line in [
        "--gossip-listen 127.0.0.1:0 --cluster-id=",
        "--gossip-listen 127.0.0.1:0 --gossip-advertise 0.0.0.0:1",
        "--gossip-listen 0.0.0.0:0 --insecure-gossip",
        &format!("--gossip-listen 127.0.0.1:0 --wg-pubkey {long}"),
    ] {
        let error = try_join(line).await.unwrap_err();
        assert_eq!(exit::code(&error), exit::USAGE, "{error:?}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_no_usage_error() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = try_join(&format!("--gossip-listen {listen}"))
        .await
        .unwrap_err();
    assert_eq!(exit::code(&error), exit::FAILED, "{error:?}");
}

async fn try_join(line: &str) -> Result<Option<GossipPool>> {
    let config = gossip::config(&args(&format!("--node-id 1 {line}")))?;
    gossip::join(config, String::new(), None).await
}
