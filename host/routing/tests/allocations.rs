//! A lookup allocates nothing, whichever way it is answered.

use std::collections::BTreeMap;

use edge_cache_routing::{Candidate, NodeId, REPLICAS_MAX, Router};

#[test]
fn a_lookup_allocates_nothing() {
    let (router, mut writer) = Router::new();
    let candidates: BTreeMap<NodeId, Candidate> = (1..=100)
        .zip(["eu-1", "eu-2", "us-1"].into_iter().cycle())
        .map(|(node_id, geo)| {
            let geo = Some(geo.to_string());
            (node_id, Candidate { weight: 3, geo })
        })
        .collect();
    writer.update(&candidates, Some("eu-1")).unwrap();
    for replicas in [1, 3, REPLICAS_MAX] {
        for geo in [None, Some("eu-1"), Some("eu-9"), Some("nowhere")] {
            let info = allocation_counter::measure(|| {
                let nodes = router.route(b"key", replicas, geo);
                assert_eq!(nodes.len(), replicas);
            });
            assert_eq!(info.count_total, 0, "{replicas} from {geo:?}");
        }
    }
}
