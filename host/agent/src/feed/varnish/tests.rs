use std::time::Duration;

use serde_json::json;

use super::{counters, has_restarted};

#[test]
fn both_shapes_of_the_output_are_read() {
    let counter =
        |value: u64| json!({"description": "d", "flag": "c", "format": "i", "value": value});
    let all = json!({
        "MAIN.uptime": counter(12), "MAIN.cache_hit": counter(3), "MAIN.cache_miss": counter(1),
        "MAIN.cache_hitpass": counter(9),
    });
    let mut old = all.clone();
    old["timestamp"] = json!("2026-11-28T12:00:00");
    let new = json!({"version": 1, "timestamp": "2026-11-28T12:00:00", "counters": all});
    for output in [old, new] {
        let (stats, uptime) = counters(output.to_string().as_bytes()).unwrap();
        assert_eq!((stats.hits, stats.misses), (3, 1), "{output}");
        assert_eq!(uptime, Duration::from_secs(12));
    }
}

#[test]
fn an_output_without_the_counters_says_which_one_is_missing() {
    for (output, said) in [
        ("", "nothing"),
        ("{", "EOF"),
        ("[]", "no MAIN.cache_hit"),
        (r#"{"version":1,"counters":{}}"#, "no MAIN.cache_hit"),
        (r#"{"MAIN.cache_hit":{"value":-1}}"#, "no MAIN.cache_hit"),
        (r#"{"MAIN.cache_hit":{"value":1}}"#, "no MAIN.cache_miss"),
    ] {
        let error = counters(output.as_bytes()).unwrap_err();
        assert!(format!("{error:#}").contains(said), "{output}: {error:#}");
    }
}

#[test]
fn a_restart_is_told_from_a_clock_that_was_set_back() {
    let s = Duration::from_secs;
    for (former, elapsed, uptime, restarted) in [
        (100, 10, 110, false),
        (100, 10, 109, false),
        (100, 10, 111, false),
        (100, 10, 3, true),
        (100, 10, 0, true),
        (100, 10, 10, true),
        // It was young before, too.
        (2, 10, 5, true),
        (2, 10, 12, false),
        (0, 1, 1, false),
        // The clock was set back by 30 s, or forward by an hour.
        (100, 10, 80, false),
        (100, 10, 3_710, false),
    ] {
        let is_other = has_restarted(s(former), s(elapsed), s(uptime));
        assert_eq!(is_other, restarted, "{former} {elapsed} {uptime}");
    }
}
