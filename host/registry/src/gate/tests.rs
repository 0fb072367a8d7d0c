use edge_cache_core::DecisionId;
use edge_cache_core::decision::Timestamp;

use super::*;

#[test]
fn labels_pass_as_far_as_the_cache_works() {
    let labels = Labels::from([("edge_cache".to_string(), "true".to_string())]);
    let decision = DecisionId {
        at: Timestamp::at_ms(7),
        by: 3,
    };
    let follows = AgentInfo {
        follows: Some(decision),
        ..AgentInfo::default()
    };
    let healthy = passed(&CacheHealth::Healthy, &labels, &follows);
    assert_eq!(healthy, (labels.clone(), follows.clone()));

    let refuses = AgentInfo {
        refuses: Some(Refusal {
            decision,
            reason: "it is down".to_string(),
        }),
        ..AgentInfo::default()
    };
    let doubtful = CacheHealth::Doubtful("it is down".to_string());
    assert_eq!(
        passed(&doubtful, &labels, &follows),
        (labels.clone(), refuses.clone())
    );
    let failed = CacheHealth::Failed("it is down".to_string());
    assert_eq!(
        passed(&failed, &labels, &follows),
        (Labels::new(), refuses.clone())
    );

    // A decision that disables the node is followed whatever the cache does.
    let disabled = passed(&failed, &Labels::new(), &follows);
    assert_eq!(disabled, (Labels::new(), follows.clone()));

    // The reason of the plugin stays, and a node without a decision refuses nothing.
    let other = CacheHealth::Failed("another reason".to_string());
    assert_eq!(passed(&other, &labels, &refuses).1, refuses);
    let nothing = AgentInfo::default();
    assert_eq!(
        passed(&failed, &Labels::new(), &nothing),
        (Labels::new(), nothing)
    );
}
