use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn first_failure_restarts_at_once_and_later_ones_wait_longer() {
    let start = Instant::now();
    let mut supervisor = Supervisor::default();
    supervisor.started(start);
    for n in 0..u64::from(RESTART_BUDGET) {
        assert_eq!(supervisor.failed(start), Next::Retry(start + ms(200 * n)));
    }
    assert_eq!(
        supervisor.failed(start),
        Next::Degraded(start + Duration::from_secs(30))
    );
}

#[test]
fn a_minute_of_health_refills_the_budget() {
    let start = Instant::now();
    let mut supervisor = Supervisor::default();
    for _ in 0..=RESTART_BUDGET {
        supervisor.failed(start);
    }
    supervisor.started(start);
    let healthy = start + HEALTHY_AFTER;
    assert_eq!(supervisor.failed(healthy), Next::Retry(healthy));
}

#[test]
fn a_degraded_registry_that_fails_again_early_stays_degraded() {
    let start = Instant::now();
    let mut supervisor = Supervisor::default();
    for _ in 0..=RESTART_BUDGET {
        supervisor.failed(start);
    }
    supervisor.started(start);
    let early = start + HEALTHY_AFTER - ms(1);
    assert_eq!(
        supervisor.failed(early),
        Next::Degraded(early + Duration::from_secs(30))
    );
}
