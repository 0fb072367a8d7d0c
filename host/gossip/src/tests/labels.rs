//! Announcements of a node's own info and labels.

use std::thread;

use super::harness::{config, info, labels, peers_when, start, stranger};
use crate::info::NodeRecord;
use crate::{GossipError, GossipPool, InfoError, PeerInfo};

#[tokio::test]
async fn each_part_is_kept_when_the_other_changes() {
    let mut settings = config(1, &[]);
    settings.self_info = info(1, &[("zone", "a")]);
    let a = GossipPool::start(settings).await.unwrap();
    let b = start(2, &[&a]).await;

    a.publish_labels(labels(&[("edge_cache", "true")])).unwrap();
    let both = info(1, &[("edge_cache", "true"), ("zone", "a")]);
    peers_when(&b, |peers| peers.get(1).is_some_and(|peer| **peer == both)).await;

    let rekeyed = PeerInfo {
        wg_pubkey: "rotated".into(),
        ..info(1, &[("zone", "b")])
    };
    a.announce_self(rekeyed.clone()).await.unwrap();
    assert_eq!(a.self_info().wg_pubkey, "rotated");
    assert_eq!(*a.foreign_labels(), labels(&[("zone", "b")]));
    let expected = PeerInfo {
        labels: labels(&[("edge_cache", "true"), ("zone", "b")]),
        ..rekeyed.clone()
    };
    peers_when(&b, |peers| {
        peers.get(1).is_some_and(|peer| **peer == expected)
    })
    .await;

    a.publish_labels(labels(&[])).unwrap();
    peers_when(&b, |peers| {
        peers.get(1).is_some_and(|peer| **peer == rekeyed)
    })
    .await;
}

#[tokio::test]
async fn keys_of_other_software_are_free_and_passed_on() {
    let zone = [("topology.kubernetes.io/zone", "eu"), ("Ä b", "")];
    let mut settings = config(1, &[]);
    settings.self_info = info(1, &zone);
    let a = GossipPool::start(settings).await.unwrap();
    let record = NodeRecord::from(info(9, &zone)).encode().unwrap();
    let _other = stranger("worker:9", 0, &[("worker:9", &record)], &a).await;
    let b = start(2, &[&a]).await;
    let plugin = ("edge_cache", "true");
    a.publish_labels(labels(&[plugin])).unwrap();
    let own = info(1, &[zone[0], zone[1], plugin]);
    for (node_id, expected) in [(1, own), (9, info(9, &zone))] {
        peers_when(&b, |peers| {
            peers.get(node_id).is_some_and(|peer| **peer == expected)
        })
        .await;
    }
}

#[tokio::test]
async fn labels_of_other_software_override_the_plugins() {
    let mut settings = config(1, &[]);
    settings.self_info = info(1, &[("edge_cache", "mine")]);
    let a = GossipPool::start(settings).await.unwrap();
    a.publish_labels(labels(&[("edge_cache", "true"), ("edge_cache_cpu", "4")]))
        .unwrap();
    a.published().await.unwrap();
    assert_eq!(
        a.self_info().labels,
        labels(&[("edge_cache", "mine"), ("edge_cache_cpu", "4")])
    );
}

#[tokio::test]
async fn labels_can_be_published_from_any_thread() {
    let a = start(1, &[]).await;
    let publisher = a.clone();
    thread::spawn(move || {
        for turn in 0..=100 {
            let turn = turn.to_string();
            publisher
                .publish_labels(labels(&[("turn", &turn)]))
                .unwrap();
        }
    })
    .join()
    .unwrap();
    a.published().await.unwrap();
    assert_eq!(a.self_info().labels, labels(&[("turn", "100")]));
}

#[tokio::test]
async fn a_record_over_the_limit_is_refused_and_nothing_changes() {
    let a = start(1, &[]).await;
    let b = start(2, &[&a]).await;
    let good = labels(&[("edge_cache", "true")]);
    a.publish_labels(good.clone()).unwrap();
    let huge = "x".repeat(PeerInfo::ENCODED_BYTES_MAX);

    let error = a.announce_self(info(1, &[("x", &huge)])).await.unwrap_err();
    assert!(matches!(
        error,
        GossipError::Info(InfoError::TooLarge { .. })
    ));
    assert!(error.to_string().contains("the limit is 16384"), "{error}");
    a.publish_labels(labels(&[("x", &huge)])).unwrap_err();

    a.published().await.unwrap();
    assert_eq!(a.self_info().labels, good);
    assert!(a.foreign_labels().is_empty());
    peers_when(&b, |peers| {
        peers.get(1).is_some_and(|peer| peer.labels == good)
    })
    .await;

    let mut settings = config(3, &[]);
    settings.self_info = info(3, &[("x", &huge)]);
    GossipPool::start(settings).await.unwrap_err();
}

#[tokio::test]
async fn a_node_cannot_announce_another() {
    let a = start(1, &[]).await;
    let error = a.announce_self(info(2, &[])).await.unwrap_err();
    assert!(matches!(error, GossipError::OtherNode { own: 1, given: 2 }));
    assert_eq!(a.self_info().node_id, 1);
}
