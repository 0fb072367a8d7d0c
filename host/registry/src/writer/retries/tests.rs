use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn waits_double_up_to_an_hour() {
    let mut retries = Retries::default();
    let mut now = Instant::now();
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        retries.failed(7, now);
        let at = now + MINUTE * minutes;
        assert_eq!(retries.next(), Some(at));
        assert_eq!(retries.due(at - Duration::from_millis(1)), None);
        assert_eq!(retries.due(at), Some(7));
        now = at;
    }
    // A newer decision begins again.
    retries.forget(7);
    assert_eq!(retries.next(), None);
    retries.failed(7, now);
    assert_eq!(retries.next(), Some(now + MINUTE));
}

#[test]
fn after_a_failure_all_others_wait_until_the_restart_budget_is_whole() {
    let mut retries = Retries::default();
    let start = Instant::now();
    retries.failed(1, start);
    retries.failed(2, start);
    let first = start + MINUTE;
    assert_eq!(retries.due(first), Some(1));
    retries.failed(1, first);
    assert_eq!(retries.due(first), None);
    assert_eq!(retries.due(first + PAUSE), Some(2));
    // A success leaves the turn to the next at once.
    retries.forget(2);
    assert_eq!(retries.due(first + PAUSE), None);
    assert_eq!(retries.due(first + 2 * MINUTE), Some(1));
}
