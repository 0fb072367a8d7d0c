use super::*;

fn timer(took: impl IntoIterator<Item = u64>) -> Timer {
    Timer {
        took: took.into_iter().map(Duration::from_millis).collect(),
        ..Timer::new("enable")
    }
}

#[test]
fn percentiles_are_measured_times() {
    let cost = timer((1..=1_000).rev()).cost();
    assert_eq!(cost.p50, Duration::from_millis(500));
    assert_eq!(cost.p99, Duration::from_millis(990));
    assert_eq!(cost.count, 1_000);
    let one = timer([7]).cost();
    assert_eq!(
        (one.p50, one.p99),
        (Duration::from_millis(7), Duration::from_millis(7))
    );
    assert_eq!(timer([]).cost().p99, Duration::ZERO);
}

#[test]
fn slow_calls_are_measured_fewer_times() {
    let mut timer = timer([1]);
    assert!(timer.has_budget());
    timer.total = TIME_MAX;
    assert!(!timer.has_budget());
}
