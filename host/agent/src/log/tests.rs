use super::filter;

#[test]
fn a_filter_without_a_level_for_all_targets_keeps_the_log_on() {
    for (text, for_all_targets) in [
        ("edge_cache_gosip=debug", "info"),
        ("edge_cache_gosip=warn", "info"),
        ("warn", "warn"),
        ("warn,edge_cache_gossip=off", "warn"),
        ("off", "off"),
    ] {
        let filter = filter(text).to_string();
        let without_target: Vec<_> = filter.split(',').filter(|one| !one.contains('=')).collect();
        assert_eq!(without_target, [for_all_targets], "{text}: {filter}");
    }
}
