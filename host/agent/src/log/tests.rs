use tracing_subscriber::filter::LevelFilter;

use super::filter;

#[test]
fn a_filter_without_a_level_for_all_targets_keeps_the_log_on() {
    for (text, most) in [
        ("edge_cache_gosip=debug", LevelFilter::DEBUG),
        ("edge_cache_gosip=warn", LevelFilter::INFO),
        ("warn", LevelFilter::WARN),
        ("warn,edge_cache_gossip=off", LevelFilter::WARN),
        ("off", LevelFilter::OFF),
    ] {
        assert_eq!(filter(text).max_level_hint(), Some(most), "{text}");
    }
}
