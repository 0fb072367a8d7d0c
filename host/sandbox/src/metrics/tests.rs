use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use super::super::Failure;
use super::{CALL_BUCKETS, CALLS, CallMetrics, KINDS};

fn text(metrics: &CallMetrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).unwrap();
    text
}

fn trap() -> Failure {
    Failure::Trap {
        call: "enable",
        reason: "unreachable".to_string(),
        lines: Vec::new(),
    }
}

#[test]
fn each_export_counts_on_its_own() {
    let metrics = CallMetrics::default();
    for call in CALLS {
        metrics.called(call, Duration::from_micros(3));
    }
    metrics.called("enable", Duration::from_secs(60));
    let text = text(&metrics);
    for expected in [
        r#"plugin_call_duration_seconds_bucket{export="enable",le="5e-06"} 1"#,
        r#"plugin_call_duration_seconds_bucket{export="enable",le="10"} 1"#,
        r#"plugin_call_duration_seconds_count{export="enable"} 2"#,
        r#"plugin_call_duration_seconds_count{export="disable"} 1"#,
    ] {
        assert!(
            text.lines().any(|line| line == expected),
            "{expected}: {text}"
        );
    }
    let counts = |line: &&str| line.contains("_seconds_count{");
    assert_eq!(text.lines().filter(counts).count(), CALLS.len());
    assert!(CALL_BUCKETS.is_sorted());
}

#[test]
fn failures_count_by_export_and_kind_and_begin_at_zero() {
    let metrics = CallMetrics::default();
    let failures = || {
        let text = text(&metrics);
        let lines = text
            .lines()
            .filter(|line| line.starts_with("plugin_failures_total{"));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    let before = failures();
    assert_eq!(before.len(), CALLS.len() * KINDS.len());
    assert!(before.iter().all(|line| line.ends_with(" 0")), "{before:?}");
    metrics.failed(&trap());
    metrics.failed(&trap());
    metrics.failed(&Failure::refused("no".to_string()));
    let after = failures();
    assert_eq!(after.len(), before.len());
    let counted: Vec<_> = after.iter().filter(|line| !line.ends_with(" 0")).collect();
    assert_eq!(counted.len(), 2, "{counted:?}");
    for expected in [
        r#"plugin_failures_total{export="enable",kind="trap"} 2"#,
        r#"plugin_failures_total{export="load",kind="refused"} 1"#,
    ] {
        assert!(after.iter().any(|line| line == expected), "{expected}");
    }
}
