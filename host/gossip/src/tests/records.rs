//! Records of other software and of malicious members.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::harness::{eventually, info, node_ids, peers_when, start, stranger};
use crate::PeerInfo;
use crate::clock::now_ns;
use crate::info::NodeRecord;
use edge_cache_core::PublishedStats;

#[tokio::test]
async fn a_zlayer_node_is_listed() {
    let a = start(1, &[]).await;
    let json = concat!(
        r#"{"node_id":42,"wg_pubkey":"k","wg_endpoint":"10.0.0.1:51820","overlay_ip":"10.9.0.1","#,
        r#""labels":{"edge_cache":"true"}}"#
    );
    let value = URL_SAFE_NO_PAD.encode(json);
    // ZLayer's generation is always 0.
    let _zlayer = stranger("worker:42", 0, &[("worker:42", &value)], &a).await;
    peers_when(&a, |peers| peers.len() == 1).await;
    let expected = PeerInfo {
        wg_pubkey: "k".into(),
        wg_endpoint: "10.0.0.1:51820".parse().unwrap(),
        overlay_ip: "10.9.0.1".into(),
        ..info(42, &[("edge_cache", "true")])
    };
    assert_eq!(a.peers(), [expected]);
}

#[tokio::test]
async fn counters_travel_for_the_own_node_only() {
    let a = start(1, &[]).await;
    let b = start(2, &[&a]).await;
    let stats = PublishedStats {
        enabled_at_ms: 7,
        hits: u64::MAX,
        misses: 1,
    };
    b.publish_stats(Some(stats));
    eventually(|| a.published_stats().get(&2).copied() == Some(stats)).await;
    let value = stats.encode();
    let long = format!("{value}{}", " ".repeat(PublishedStats::BYTES_MAX));
    let record = |id| NodeRecord::from(info(id, &[])).encode().unwrap();
    let (nine, ten) = (record(9), record(10));
    let _others = [
        stranger(
            "worker:9",
            1,
            &[("worker:9", &nine), ("edge_cache_stats:8", &value)],
            &a,
        )
        .await,
        stranger(
            "worker:10",
            1,
            &[("worker:10", &ten), ("edge_cache_stats:10", &long)],
            &a,
        )
        .await,
    ];
    // The bad value is counted once; the counters of another node are not read at all.
    eventually(|| a.metrics().bad_records.get() == 1).await;
    peers_when(&a, |peers| peers.len() == 3).await;
    assert_eq!(
        [8, 9, 10].map(|id| a.published_stats().get(&id).copied()),
        [None; 3]
    );
    b.publish_stats(None);
    eventually(|| !a.published_stats().contains_key(&2)).await;
    // A member that withdraws its record speaks for its node no longer.
    let eleven = [("worker:11", &*record(11)), ("edge_cache_stats:11", &value)];
    let eleven = stranger("worker:11", 1, &eleven, &a).await;
    eventually(|| a.published_stats().get(&11).copied() == Some(stats)).await;
    eleven
        .with_chitchat(|it| it.self_node_state().set("worker:11", ""))
        .await;
    eventually(|| !a.published_stats().contains_key(&11)).await;
    assert_eq!(a.metrics().bad_records.get(), 1);
}

#[tokio::test]
async fn bad_records_are_counted_once_and_ignored() {
    let a = start(1, &[]).await;
    let others = NodeRecord::from(info(9, &[])).encode().unwrap();
    let large = "A".repeat(PeerInfo::ENCODED_BYTES_MAX + 1);
    let _bad = [
        stranger("worker:10", 1, &[("worker:10", "!")], &a).await,
        stranger("worker:11", 1, &[("worker:11", "e30")], &a).await,
        stranger("worker:12", 1, &[("worker:12", &large)], &a).await,
        stranger("worker:13", 1, &[("worker:13", &others)], &a).await,
        stranger("worker:14", 1, &[("worker:9", &others)], &a).await,
        stranger("intruder", 1, &[("worker:9", &others)], &a).await,
    ];
    eventually(|| a.metrics().bad_records.get() == 6).await;

    // Rounds continue with the bad records in the state, and a good record is still listed.
    let b = start(2, &[&a]).await;
    for turn in ["1", "2", "3"] {
        b.announce_self(info(2, &[("turn", turn)])).await.unwrap();
        peers_when(&a, |peers| {
            peers
                .get(2)
                .is_some_and(|peer| peer.labels.values().eq([turn]))
        })
        .await;
    }
    assert_eq!(node_ids(&a.snapshot()), [2]);
    assert_eq!(a.metrics().bad_records.get(), 6);
}

#[tokio::test]
async fn a_record_that_becomes_invalid_removes_its_node() {
    let a = start(1, &[]).await;
    let good = NodeRecord::from(info(7, &[])).encode().unwrap();
    let seven = stranger("worker:7", 1, &[("worker:7", &good)], &a).await;
    peers_when(&a, |peers| node_ids(peers) == [7]).await;
    let set = |value: &str| {
        let value = value.to_owned();
        let seven = &seven;
        async move {
            seven
                .with_chitchat(|chitchat| chitchat.self_node_state().set("worker:7", &value))
                .await;
        }
    };
    set("!").await;
    peers_when(&a, |peers| peers.is_empty()).await;
    assert_eq!(a.metrics().bad_records.get(), 1);
    set(&good).await;
    peers_when(&a, |peers| node_ids(peers) == [7]).await;
}

#[tokio::test]
async fn a_generation_far_ahead_of_the_clock_is_listed_at_once() {
    let a = start(1, &[]).await;
    let day_ahead = now_ns() + 24 * 60 * 60 * 1_000_000_000;
    let record = NodeRecord::from(info(7, &[])).encode().unwrap();
    let _ahead = stranger("worker:7", day_ahead, &[("worker:7", &record)], &a).await;
    peers_when(&a, |peers| node_ids(peers) == [7]).await;
}

#[tokio::test]
async fn members_of_other_software_are_neither_peers_nor_bad_records() {
    let a = start(1, &[]).await;
    let other = stranger("searcher", 1, &[("searcher", "x"), ("role", "y")], &a).await;
    let b = start(2, &[&a]).await;
    peers_when(&a, |peers| node_ids(peers) == [2]).await;
    let chitchat = other.chitchat();
    // The other member is live: it answers and knows both.
    eventually(|| {
        chitchat
            .try_lock()
            .is_ok_and(|chitchat| chitchat.live_nodes().count() == 3)
    })
    .await;
    peers_when(&b, |peers| node_ids(peers) == [1]).await;
    assert_eq!(a.metrics().bad_records.get(), 0);
}
