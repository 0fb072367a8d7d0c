use super::*;
use edge_cache_routing::Candidate;

fn info(labels: &[(&str, &str)]) -> Arc<PeerInfo> {
    let labels = labels.iter();
    Arc::new(PeerInfo {
        labels: labels
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        ..PeerInfo::placeholder(7)
    })
}

fn candidate() -> Candidate {
    Candidate {
        weight: 3,
        geo: None,
    }
}

#[test]
fn a_member_is_judged_once_for_the_same_labels() {
    let judged = Judgement::judged(info(&[("a", "1")]), Some(candidate()));
    assert!(judged.is_final_for(&info(&[("a", "1")])));
    assert!(!judged.is_final_for(&info(&[("a", "2")])));
}

#[test]
fn a_failure_keeps_the_former_candidate_and_stays_open() {
    let before = Judgement::judged(info(&[("a", "1")]), Some(candidate()));
    let failed = Judgement::open(info(&[("a", "2")]), Some(before));
    assert_eq!(failed.candidate, Some(candidate()));
    assert!(!failed.is_judged());
    assert!(!failed.is_final_for(&info(&[("a", "2")])));

    let open = Judgement::open(info(&[("a", "3")]), Some(failed));
    assert_eq!(open.candidate, Some(candidate()));
    assert!(!open.is_final_for(&info(&[("a", "3")])));
    assert_eq!(Judgement::open(info(&[]), None).candidate, None);
}

#[test]
fn too_many_labels_end_the_candidacy() {
    let labels = |count: usize| (0..count).map(|n| (format!("k{n:02}"), String::new()));
    assert_eq!(check_size(&labels(PEER_LABELS_MAX).collect()), Ok(()));
    let excess = check_size(&labels(PEER_LABELS_MAX + 1).collect());
    assert_eq!(excess.unwrap_err(), "65 labels, more than 64");

    let value = |bytes| Labels::from([("k".to_string(), "v".repeat(bytes))]);
    assert_eq!(check_size(&value(PEER_LABEL_BYTES_MAX - 1)), Ok(()));
    let excess = check_size(&value(PEER_LABEL_BYTES_MAX));
    assert_eq!(
        excess.unwrap_err(),
        "labels of 16385 bytes, more than 16384"
    );

    let excessive = Judgement::excessive(info(&[("a", "1")]));
    assert_eq!(excessive.candidate, None);
    assert!(!excessive.is_judged());
    assert!(excessive.is_final_for(&info(&[("a", "1")])));
}
