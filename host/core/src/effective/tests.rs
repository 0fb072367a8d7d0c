use super::*;
use crate::types::NodeCapacity;

const LIMITS: DecisionLimits = DecisionLimits {
    nodes_max: 2,
    tombstones: 2,
};

fn enable(node_id: NodeId, at: u64) -> Decision {
    Decision {
        node_id,
        op: Op::Enable {
            capacity: NodeCapacity {
                cpu_cores: 1,
                ram_mib: 1,
                disk_mib: 1,
                geo: None,
            },
            enabled_at_ms: 1,
        },
        at: Timestamp::at_ms(at),
        by: 1,
    }
}

fn disable(node_id: NodeId, at: u64) -> Decision {
    Decision::disable(node_id, Timestamp::at_ms(at), 1)
}

fn put(decisions: &mut EffectiveDecisions, decision: Decision, set_aside: Option<SetAside>) {
    decisions.insert(EffectiveDecision {
        decision,
        set_aside,
    });
}

#[test]
fn the_highest_of_all_enabled_nodes_is_displaced() {
    let mut decisions = EffectiveDecisions::default();
    put(&mut decisions, enable(5, 1), None);
    assert_eq!(decisions.displaced_by(6, 2), None, "there is room");
    put(&mut decisions, enable(7, 1), None);
    assert_eq!(decisions.displaced_by(7, 2), None, "it is in already");
    assert_eq!(decisions.displaced_by(9, 2), Some(9));
    assert_eq!(decisions.displaced_by(6, 2), Some(7));
    put(&mut decisions, enable(7, 1), Some(SetAside::Full));
    put(&mut decisions, enable(6, 1), None);
    assert_eq!(decisions.displaced_by(7, 2), Some(7), "it stays beyond");
    assert_eq!(decisions.misplaced(2), None);
    assert_eq!(decisions.misplaced(1), Some(Misplaced::Beyond(6)));
    assert_eq!(decisions.misplaced(3), Some(Misplaced::Within(7)));
    put(&mut decisions, disable(5, 2), None);
    assert_eq!(decisions.misplaced(2), Some(Misplaced::Within(7)));
}

#[test]
fn a_refused_decision_keeps_its_place() {
    let mut decisions = EffectiveDecisions::default();
    let refused = Some(SetAside::Refused("no".to_string()));
    put(&mut decisions, enable(5, 1), refused);
    put(&mut decisions, enable(6, 1), None);
    assert_eq!(decisions.displaced_by(7, 2), Some(7));
    put(&mut decisions, enable(7, 1), Some(SetAside::Full));
    let failed = Some(SetAside::Failed("trapped".to_string()));
    put(&mut decisions, disable(1, 1), failed);
    let counts = DecisionCounts {
        enabled: 3,
        disabled: 1,
        refused: 1,
        failed: 1,
        full: 1,
    };
    assert_eq!(decisions.counts(), counts);
    assert_eq!(counts.set_aside(), 3);
    let ids = decisions.set_aside().map(|e| e.decision.node_id);
    assert_eq!(ids.collect::<Vec<_>>(), [1, 5, 7]);
}

#[test]
fn twice_the_limit_of_enabled_nodes_are_remembered_and_the_highest_is_forgotten() {
    let mut decisions = EffectiveDecisions::default();
    for node_id in [2, 4, 6, 8] {
        assert!(decisions.is_news(&enable(node_id, 1), LIMITS));
        put(&mut decisions, enable(node_id, 1), None);
    }
    assert_eq!(decisions.surplus(LIMITS), None);
    assert!(!decisions.is_news(&enable(9, 1), LIMITS));
    assert!(decisions.is_news(&enable(8, 2), LIMITS), "it is known");
    assert!(decisions.is_news(&enable(7, 1), LIMITS));
    put(&mut decisions, enable(7, 1), None);
    assert_eq!(decisions.surplus(LIMITS), Some(8));
}

#[test]
fn the_disabled_nodes_with_the_highest_stamps_are_remembered() {
    let mut decisions = EffectiveDecisions::default();
    for (node_id, at) in [(1, 20), (2, 10)] {
        assert!(decisions.is_news(&disable(node_id, at), LIMITS));
        put(&mut decisions, disable(node_id, at), None);
    }
    assert_eq!(decisions.surplus(LIMITS), None);
    assert!(!decisions.is_news(&disable(3, 9), LIMITS));
    assert!(decisions.is_news(&disable(3, 11), LIMITS));
    put(&mut decisions, disable(3, 11), None);
    assert_eq!(decisions.surplus(LIMITS), Some(2));
    decisions.remove(2);
    assert_eq!(decisions.surplus(LIMITS), None);
    assert!(decisions.get(2).is_none());
    // Enabled again, it is no disabled node any more.
    put(&mut decisions, enable(1, 30), None);
    assert_eq!(decisions.counts().disabled, 1);
}

#[test]
fn decisions_are_listed_and_compared_by_node_and_the_disabled_ones_from_the_last() {
    let failed = Some(SetAside::Failed("trapped".to_string()));
    let all = [
        (disable(3, 1), None),
        (enable(2, 1), failed),
        (disable(1, 2), None),
    ];
    let all = all.map(|(decision, set_aside)| EffectiveDecision {
        decision,
        set_aside,
    });
    let decisions: EffectiveDecisions = all.into_iter().collect();
    let ids = decisions.iter().map(|e| e.decision.node_id);
    assert_eq!(ids.collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(decisions.disabled().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(
        [1, 2, 3].map(|id| decisions.enables(id)),
        [false, true, false]
    );
    assert_eq!(
        [1, 2, 9].map(|id| decisions.has_failed(id)),
        [false, true, false]
    );
    let mut newer = decisions.clone();
    assert_eq!(decisions.diff(&newer).count(), 0);
    put(&mut newer, enable(3, 9), None);
    let changed: Vec<_> = decisions.diff(&newer).collect();
    assert!(matches!(&*changed, [DiffItem::Update { old: (3, _), .. }]));
}

#[test]
fn a_kind_is_the_stable_name_of_the_variant() {
    assert_eq!(SetAside::Failed(String::new()).kind(), "failed");
    assert_eq!(SetAside::Full.kind(), "full");
}
