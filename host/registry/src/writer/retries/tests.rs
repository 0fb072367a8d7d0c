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
fn each_of_many_decisions_has_times_of_its_own() {
    let mut retries = Retries::default();
    let start = Instant::now();
    for node_id in 0..100 {
        retries.failed(node_id, start);
    }
    for minutes in [1, 3, 7] {
        let now = start + MINUTE * minutes;
        for expected in 0..100 {
            assert_eq!(retries.due(now), Some(expected));
            retries.failed(expected, now);
        }
        assert_eq!(retries.due(now), None);
    }
}

#[test]
fn failed_attempts_take_a_tenth_of_the_time() {
    let mut retries = Retries::default();
    let start = Instant::now();
    retries.failed(1, start);
    retries.failed(2, start);
    let now = start + MINUTE;
    retries.failed(1, now);
    retries.pause(Duration::from_secs(1), now);
    assert_eq!(retries.due(now + Duration::from_secs(8)), None);
    assert_eq!(retries.next(), Some(now + Duration::from_secs(9)));
    assert_eq!(retries.due(now + Duration::from_secs(9)), Some(2));
}
