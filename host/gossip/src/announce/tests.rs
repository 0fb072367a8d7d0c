use std::collections::HashSet;
use std::thread;

use chitchat::ChitchatId;

use super::*;
use crate::GossipConfig;

const NODE: u64 = 7;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn base(pairs: &[(&str, &str)]) -> PeerInfo {
    PeerInfo {
        labels: labels(pairs),
        ..PeerInfo::placeholder(NODE)
    }
}

fn own_record(base: PeerInfo) -> (OwnRecord, Announcer) {
    let content = RecordContent {
        base,
        plugin_labels: Labels::new(),
        leaving: false,
        policy: None,
        agent: AgentInfo::default(),
    };
    let (held, holds) = watch::channel(true);
    // The membership keeps the sender for as long as the announcer lives.
    std::mem::forget(held);
    OwnRecord::new(content, holds).unwrap()
}

impl OwnRecord {
    fn set_base(&self, base: PeerInfo) -> Result<u64, GossipError> {
        self.change(|content| content.base = base)
    }

    fn set_labels(&self, labels: Labels) -> Result<u64, GossipError> {
        self.change(|content| content.plugin_labels = labels)
    }
}

/// Creates a member's state without a network.
fn chitchat(first: Option<(String, String)>) -> Mutex<Chitchat> {
    let address = ([127, 0, 0, 1], 7946).into();
    let id = ChitchatId::new(PeerInfo::key(NODE), 1, address);
    let config = GossipConfig::new(PeerInfo::placeholder(NODE), "test", address).chitchat(id);
    let (_, seeds) = watch::channel(HashSet::new());
    Mutex::new(Chitchat::with_chitchat_id_and_seeds(
        config,
        seeds,
        first.into_iter().collect(),
    ))
}

async fn in_gossip(chitchat: &Mutex<Chitchat>) -> PeerInfo {
    let mut chitchat = chitchat.lock().await;
    let value = chitchat.self_node_state().get("worker:7").unwrap();
    NodeRecord::decode(value).unwrap().info
}

#[tokio::test]
async fn the_announced_info_is_the_written_one() {
    let (own, mut announcer) = own_record(base(&[("zone", "a")]));
    let chitchat = chitchat(announcer.first());
    assert_eq!(*own.announced.borrow().merged, in_gossip(&chitchat).await);
    own.written(own.newest()).await.unwrap();

    let revision = own.set_labels(labels(&[("edge_cache", "true")])).unwrap();
    assert_eq!(
        own.announced.borrow().merged.labels,
        labels(&[("zone", "a")]),
        "not yet"
    );
    let written = async {
        own.written(revision).await.unwrap();
        in_gossip(&chitchat).await
    };
    let written = tokio::select! {
        written = written => written,
        () = announcer.run(&chitchat) => unreachable!("a handle is held"),
    };
    assert_eq!(
        written.labels,
        labels(&[("edge_cache", "true"), ("zone", "a")])
    );
    assert_eq!(*own.announced.borrow().merged, written);
}

/// Callers see what peers see: another member has the node's id.
#[tokio::test]
async fn a_withheld_record_announces_neither_labels_nor_what_they_follow() {
    let agent = AgentInfo {
        follows: Some(edge_cache_core::DecisionId {
            at: edge_cache_core::decision::Timestamp::at_ms(5),
            by: NODE,
        }),
        ..AgentInfo::default()
    };
    let content = RecordContent {
        base: base(&[("zone", "a")]),
        plugin_labels: labels(&[("edge_cache", "true")]),
        leaving: false,
        policy: Some("0123456789ab".into()),
        agent: agent.clone(),
    };
    let (held, holds) = watch::channel(false);
    let (own, mut announcer) = OwnRecord::new(content, holds).unwrap();
    let chitchat = chitchat(announcer.first());
    let is_withheld = |record: &Record| {
        let agent = record.merged.agent.as_ref().unwrap();
        record.merged.labels == labels(&[("zone", "a")]) && agent.follows.is_none()
    };
    assert!(is_withheld(&own.announced.borrow()));
    let story = async {
        let revision = own.set_base(base(&[("zone", "a")])).unwrap();
        own.written(revision).await.unwrap();
        assert!(is_withheld(&own.announced.borrow()));
        held.send_replace(true);
        let mut announced = own.announced.clone();
        let shown = announced.wait_for(|record| !is_withheld(record)).await;
        assert_eq!(shown.unwrap().merged.agent, Some(agent));
        held.send_replace(false);
        announced
            .wait_for(|record| is_withheld(record))
            .await
            .unwrap();
    };
    tokio::select! {
        () = story => {}
        () = announcer.run(&chitchat) => unreachable!("a handle is held"),
    }
}

#[test]
fn concurrent_changes_of_both_parts_are_kept() {
    const TURNS: usize = 500;
    let (own, announcer) = own_record(base(&[]));
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0..=TURNS {
                own.set_base(base(&[("base", &turn.to_string())])).unwrap();
            }
        });
        scope.spawn(|| {
            for turn in 0..=TURNS {
                own.set_labels(labels(&[("plugin", &turn.to_string())]))
                    .unwrap();
            }
        });
    });
    let last = TURNS.to_string();
    let pending = announcer.pending.borrow();
    assert_eq!(
        pending.merged.labels,
        labels(&[("base", &last), ("plugin", &last)])
    );
    assert_eq!(own.content().base.labels, labels(&[("base", &last)]));
}

#[test]
fn a_label_of_other_software_overrides_until_it_is_removed() {
    let (own, announcer) = own_record(base(&[("edge_cache", "mine")]));
    let merged = || announcer.pending.borrow().merged.labels.clone();
    own.set_labels(labels(&[("edge_cache", "true"), ("edge_cache_cpu", "4")]))
        .unwrap();
    assert_eq!(
        merged(),
        labels(&[("edge_cache", "mine"), ("edge_cache_cpu", "4")])
    );
    own.set_base(base(&[])).unwrap();
    assert_eq!(
        merged(),
        labels(&[("edge_cache", "true"), ("edge_cache_cpu", "4")])
    );
}

#[test]
fn a_record_over_the_limit_changes_nothing() {
    let half = "x".repeat(PeerInfo::ENCODED_BYTES_MAX / 2);
    let (own, announcer) = own_record(base(&[("base", &half)]));
    let before = announcer.pending.borrow().clone();
    let refused = [
        own.set_labels(labels(&[("plugin", &half)])),
        own.set_base(base(&[("base", &half), ("more", &half)])),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(matches!(
            error,
            GossipError::Info(InfoError::TooLarge { .. })
        ));
    }
    let after = announcer.pending.borrow().clone();
    assert_eq!(after.revision, before.revision);
    assert_eq!(after.encoded, before.encoded);
    assert_eq!(own.content().base.labels, before.content.base.labels);
}

#[tokio::test]
async fn callers_do_not_wait_for_a_stopped_task() {
    let (own, announcer) = own_record(base(&[]));
    let revision = own.set_labels(labels(&[("a", "b")])).unwrap();
    drop(announcer);
    assert!(matches!(
        own.written(revision).await,
        Err(GossipError::Stopped)
    ));
    assert!(matches!(
        own.set_labels(Labels::new()),
        Err(GossipError::Stopped)
    ));
}
