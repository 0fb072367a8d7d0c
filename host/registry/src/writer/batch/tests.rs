use super::*;
use crate::fixtures::{node, view};

#[test]
fn decisions_that_come_and_go_in_one_batch_are_noted_as_forgotten() {
    let limits = DecisionLimits {
        nodes_max: 1,
        tombstones: 1,
    };
    let mut batch = Batch::new(&view(), Some(7), limits);
    for node_id in [9, 8, 7, 6] {
        let enable = Decision::enable(&node(node_id), Timestamp::at_ms(1), 1);
        batch.set_decision(enable, Some(SetAside::Full));
    }
    for (node_id, at) in [(3, 1), (4, 2)] {
        let disable = Decision::disable(node_id, Timestamp::at_ms(at), 1);
        batch.set_decision(disable, None);
    }
    let forgotten = batch.forgotten.iter().map(|it| it.decision.node_id);
    assert_eq!(Vec::from_iter(forgotten), [9, 8, 3]);
    let changed = batch.decided.iter().copied();
    assert_eq!(Vec::from_iter(changed), [3, 4, 6, 7, 8, 9]);
    assert_eq!(batch.decisions.counts().enabled, 2);
}
