use super::*;
use crate::fixtures::node;
use edge_cache_core::decision::Timestamp;

fn decision(node_id: NodeId, by: NodeId) -> Decision {
    Decision::enable(&node(node_id), Timestamp::at_ms(1), by)
}

fn disable(node_id: NodeId, by: NodeId) -> Decision {
    Decision::disable(node_id, Timestamp::at_ms(1), by)
}

/// Returns the agents that choose themselves.
fn replicating(decision: &Decision, agents: &[NodeId]) -> Vec<NodeId> {
    let asked = agents.iter().filter(|own| {
        let others: Vec<_> = agents.iter().copied().filter(|id| id != *own).collect();
        is_chosen(decision, **own, Some(&others))
    });
    asked.copied().collect()
}

#[test]
fn the_author_the_node_and_three_more_are_chosen() {
    let agents: Vec<_> = (1..=50).collect();
    for node_id in 1..=50 {
        let chosen = replicating(&decision(node_id, 1_000), &agents);
        assert!(chosen.contains(&node_id));
        assert!((CHOSEN..=CHOSEN + 1).contains(&chosen.len()), "{chosen:?}");
        let chosen = replicating(&decision(node_id + 1_000, 7), &agents);
        assert!(chosen.contains(&7));
        assert!((CHOSEN..=CHOSEN + 1).contains(&chosen.len()), "{chosen:?}");
    }
}

#[test]
fn when_one_dies_exactly_one_replaces_it() {
    let agents: Vec<_> = (1..=50).collect();
    for node_id in 1_000..1_200 {
        let decision = decision(node_id, 2_000);
        let before = replicating(&decision, &agents);
        let left: Vec<_> = agents
            .iter()
            .copied()
            .filter(|id| *id != before[0])
            .collect();
        let after = replicating(&decision, &left);
        assert_eq!(after.len(), CHOSEN);
        assert_eq!(
            after.iter().filter(|id| before.contains(id)).count(),
            CHOSEN - 1
        );
    }
}

#[test]
fn the_replicas_are_spread_evenly() {
    let agents: Vec<_> = (1..=20).collect();
    let mut count = BTreeMap::<NodeId, usize>::new();
    for node_id in 1_000..3_000 {
        for agent in replicating(&decision(node_id, 2_000_000), &agents) {
            *count.entry(agent).or_default() += 1;
        }
    }
    let expected = 2_000 * CHOSEN / agents.len();
    assert!(
        count
            .values()
            .all(|share| (expected / 2..expected * 2).contains(share)),
        "{count:?}"
    );
}

#[test]
fn a_replica_that_is_no_longer_chosen_is_withdrawn_after_an_hour() {
    let agents: Vec<_> = (2..=50).collect();
    let node_id = (1_000..)
        .find(|node_id| !is_chosen(&decision(*node_id, 9), 1, Some(&agents)))
        .unwrap();
    let decision = decision(node_id, 9);
    let start = Instant::now();
    let mut own = DecisionReplicas::default();
    assert_eq!(
        own.judge(&decision, 1, None, || true, start),
        ReplicaAction::Skip,
        "too early"
    );
    assert_eq!(
        own.judge(&decision, 1, Some(&agents), || true, start),
        ReplicaAction::Skip
    );
    assert_eq!(
        own.judge(&decision, 1, Some(&[]), || true, start),
        ReplicaAction::Publish,
        "alone"
    );
    let later = start + Duration::from_secs(1);
    assert_eq!(
        own.judge(&decision, 1, Some(&agents), || true, later),
        ReplicaAction::Publish
    );
    let almost = later + WITHDRAW_AFTER - Duration::from_millis(1);
    assert_eq!(
        own.judge(&decision, 1, Some(&agents), || true, almost),
        ReplicaAction::Publish
    );
    assert_eq!(
        own.judge(&decision, 1, Some(&agents), || true, later + WITHDRAW_AFTER),
        ReplicaAction::Withdraw
    );
    assert_eq!(
        own.judge(&decision, 1, Some(&agents), || true, later + WITHDRAW_AFTER),
        ReplicaAction::Skip
    );
}

#[test]
fn a_decision_that_nobody_else_carries_is_published_by_everyone() {
    let agents: Vec<_> = (2..=50).collect();
    let node_id = (1_000..)
        .find(|node_id| !is_chosen(&decision(*node_id, 9), 1, Some(&agents)))
        .unwrap();
    let decision = decision(node_id, 9);
    let now = Instant::now();
    let mut own = DecisionReplicas::default();
    let mut judge = |agents, is_replicated| own.judge(&decision, 1, agents, || is_replicated, now);
    assert_eq!(judge(None, false), ReplicaAction::Skip, "too early");
    assert_eq!(judge(Some(&agents[..]), true), ReplicaAction::Skip);
    assert_eq!(judge(Some(&agents[..]), false), ReplicaAction::Publish);
    assert_eq!(judge(Some(&agents[..]), true), ReplicaAction::Publish);
}

#[test]
fn a_disabled_node_is_carried_for_an_hour_after_it_was_heard() {
    let (decision, start) = (disable(7, 1), Instant::now());
    let mut own = DecisionReplicas::default();
    let judge = |own: &mut DecisionReplicas, now| own.judge(&decision, 1, Some(&[]), || false, now);
    assert_eq!(judge(&mut own, start), ReplicaAction::Skip, "of the store");
    own.hear(7, start);
    assert_eq!(judge(&mut own, start), ReplicaAction::Publish);
    let end = start + CARRY_FOR;
    let almost = end - Duration::from_millis(1);
    assert_eq!(judge(&mut own, almost), ReplicaAction::Publish);
    assert_eq!(judge(&mut own, end), ReplicaAction::Withdraw);
    assert_eq!(judge(&mut own, end), ReplicaAction::Skip);
    // Somebody carries an older decision.
    assert_eq!(own.answer([7], end), [7]);
    assert_eq!(judge(&mut own, end), ReplicaAction::Publish);
    assert_eq!(judge(&mut own, end + CARRY_FOR), ReplicaAction::Withdraw);
    own.hear(7, end);
    assert_eq!(judge(&mut own, end), ReplicaAction::Publish);
    assert!(own.forget(7));
    assert_eq!(judge(&mut own, end), ReplicaAction::Skip);
}

#[test]
fn ten_thousand_answers_are_carried_at_once_and_all_have_their_turn() {
    let count = 2 * ANSWERS_MAX as u64;
    let mut own = DecisionReplicas::default();
    let start = Instant::now();
    assert_eq!(own.answer(0..count, start).len(), ANSWERS_MAX);
    let judge =
        |own: &mut DecisionReplicas, now| own.judge(&disable(0, 9), 1, Some(&[]), || false, now);
    assert_eq!(judge(&mut own, start), ReplicaAction::Publish);
    let end = start + ANSWER_MIN;
    let soon = end - Duration::from_millis(1);
    assert_eq!(own.answer([], soon), [0; 0]);
    let rest = own.answer([], end);
    assert_eq!(rest, (count / 2..count).collect::<Vec<_>>());
    assert_eq!(judge(&mut own, end), ReplicaAction::Withdraw);
}

#[test]
fn the_last_ten_thousand_disabled_nodes_of_the_store_are_carried_for_an_hour() {
    let start = Instant::now();
    let count = 2 * REMEMBERED_MAX as u64;
    let mut own = DecisionReplicas::remembered((0..count).rev(), start);
    let mut judge = |node_id, now| own.judge(&disable(node_id, 1), 1, Some(&[]), || false, now);
    assert_eq!(judge(count / 2, start), ReplicaAction::Publish);
    assert_eq!(judge(count / 2 - 1, start), ReplicaAction::Skip);
    let end = start + CARRY_FOR;
    assert_eq!(judge(count / 2, end), ReplicaAction::Withdraw);
}

#[test]
fn a_disabled_node_that_nobody_else_carries_is_published_by_everyone() {
    let agents: Vec<_> = (2..=50).collect();
    let node_id = (1_000..)
        .find(|node_id| !is_chosen(&disable(*node_id, 9), 1, Some(&agents)))
        .unwrap();
    let now = Instant::now();
    let mut own = DecisionReplicas::remembered([node_id].into_iter(), now);
    let mut judge =
        |agents, is_replicated| own.judge(&disable(node_id, 9), 1, agents, || is_replicated, now);
    assert_eq!(judge(None, false), ReplicaAction::Skip, "too early");
    assert_eq!(judge(Some(&agents[..]), true), ReplicaAction::Skip);
    assert_eq!(judge(Some(&agents[..]), false), ReplicaAction::Publish);
    assert_eq!(judge(Some(&agents[..]), true), ReplicaAction::Publish);
}
