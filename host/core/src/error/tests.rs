use super::*;

#[test]
fn a_kind_is_the_name_of_the_variant_or_another_that_is_as_stable() {
    for (error, kind) in [
        (EdgeCacheError::Gossip(String::new()), "labels-refused"),
        (EdgeCacheError::NodeNotFound(7), "node-not-found"),
        (EdgeCacheError::Full { limit: 1 }, "registry-full"),
    ] {
        assert_eq!(error.kind(), kind);
    }
}
