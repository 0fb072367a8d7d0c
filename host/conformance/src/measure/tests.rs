use super::*;

fn timer(took: impl IntoIterator<Item = u64>) -> Timer {
    Timer {
        took: took.into_iter().map(Duration::from_millis).collect(),
        ..Timer::new("enable")
    }
}

#[test]
fn percentiles_are_times_that_were_measured() {
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
fn a_slow_call_is_made_fewer_times() {
    let mut timer = timer([1]);
    assert!(timer.goes_on());
    timer.total = LOOK_FOR;
    assert!(!timer.goes_on());
}
