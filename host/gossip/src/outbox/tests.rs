use std::time::Duration;

use chitchat::transport::ChannelTransport;
use chitchat::{ChitchatHandle, ChitchatId, spawn_chitchat};
use edge_cache_core::PeerInfo;

use super::*;
use crate::GossipConfig;

async fn server(generation: u64) -> ChitchatHandle {
    let listen = ([127, 0, 0, 1], 1).into();
    let mut config = GossipConfig::new(PeerInfo::placeholder(1), "test", listen);
    config.interval = Duration::from_secs(3_600);
    let config = config.chitchat(ChitchatId::new("worker:1", generation, listen));
    let transport = ChannelTransport::with_mtu(65_507);
    spawn_chitchat(config, Vec::new(), &transport)
        .await
        .unwrap()
}

/// Runs the outbox until it has nothing more to write, and returns what the server publishes.
async fn written(outbox: &Outbox, server: &ChitchatHandle) -> Vec<(String, String)> {
    let chitchat = server.chitchat();
    let run = tokio::time::timeout(Duration::from_millis(1), outbox.run(&chitchat));
    assert!(run.await.is_err());
    assert!(outbox.lock().unwritten.is_empty());
    let mut chitchat = chitchat.lock().await;
    let state = chitchat.self_node_state();
    let values = state.key_values();
    values
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_server_after_a_restart_publishes_what_the_one_before_did() {
    let outbox = Outbox::default();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let change = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
    outbox.change([change("kept", Some("1")), change("removed", Some("2"))]);
    let first = server(1).await;
    let both = [pair("kept", "1"), pair("removed", "2")];
    assert_eq!(written(&outbox, &first).await, both);
    outbox.change([change("removed", None)]);
    let emptied = [pair("kept", "1"), pair("removed", "")];
    assert_eq!(written(&outbox, &first).await, emptied);

    let second = server(2).await;
    assert_eq!(written(&outbox, &second).await, [pair("kept", "1")]);
}

#[tokio::test(start_paused = true)]
async fn many_empty_keys_are_left_behind() {
    let outbox = Outbox::default();
    let server = server(1).await;
    let chitchat = server.chitchat();
    let keys = || (0..EMPTY_KEYS_MAX).map(|key| format!("key:{key}"));
    outbox.change(keys().map(|key| (key, Some("1".to_owned()))));
    outbox.change([("kept".to_owned(), Some("1".to_owned()))]);
    assert_eq!(written(&outbox, &server).await.len(), EMPTY_KEYS_MAX + 1);
    // One key fewer than the limit is empty, however often others come and go.
    let again = |value: Option<&str>| {
        let value = value.map(str::to_owned);
        outbox.change(keys().skip(1).map(|key| (key, value.clone())));
    };
    let run = outbox.run(&chitchat);
    tokio::pin!(run);
    for value in [None, Some("2"), None] {
        again(value);
        let ended = tokio::time::timeout(Duration::from_millis(1), &mut run).await;
        assert!(ended.is_err());
        assert!(outbox.lock().unwritten.is_empty());
    }
    let crowded = async || tokio::time::timeout(Duration::ZERO, outbox.is_crowded.notified()).await;
    assert!(crowded().await.is_err());
    outbox.change([("key:0".to_owned(), None)]);
    let ended = tokio::time::timeout(Duration::from_millis(1), &mut run).await;
    assert!(ended.is_err());
    assert!(crowded().await.is_ok());
    // Until the server is renewed, changes are written as before, and it is told once.
    outbox.change([("kept".to_owned(), None)]);
    let ended = tokio::time::timeout(Duration::from_millis(1), &mut run).await;
    assert!(ended.is_err() && outbox.lock().unwritten.is_empty());
    assert!(crowded().await.is_err());
}
