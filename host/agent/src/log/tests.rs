use super::{Counted, counted, filter};
use std::fs::File;
use std::io::Write;

#[test]
fn a_filter_without_a_level_for_all_targets_keeps_the_log_on() {
    for (text, for_all_targets) in [
        ("edge_cache_gosip=debug", "info"),
        ("edge_cache_gosip=warn", "info"),
        ("warn", "warn"),
        ("warn,edge_cache_gossip=off", "warn"),
        ("off", "off"),
        ("debug", "info"),
        (" trace,chitchat=debug", "info"),
    ] {
        let filter = filter(text).to_string();
        let without_target: Vec<_> = filter.split(',').filter(|one| !one.contains('=')).collect();
        assert_eq!(without_target, [for_all_targets], "{text}: {filter}");
    }
}

#[test]
fn a_level_below_info_is_for_this_program_alone() {
    for level in ["debug", "TRACE", "5"] {
        let filter = filter(level).to_string();
        let own = filter
            .split(',')
            .filter(|one| one.starts_with("edge_cache="));
        assert_eq!(own.count(), 1, "{level}: {filter}");
    }
    let filter = filter("debug,wasmtime=debug").to_string();
    assert!(filter.contains("wasmtime=debug"), "{filter}");
}

#[test]
fn a_line_for_a_full_disk_is_counted() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let before = counted::failed_writes();
    Counted::new(full).write_all(b"a line\n").unwrap_err();
    assert!(counted::failed_writes() > before);
}
