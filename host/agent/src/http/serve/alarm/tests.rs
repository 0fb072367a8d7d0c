use futures_util::FutureExt;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// How many whole seconds a wait of the alarm takes.
async fn rings_after(alarm: &Alarm, seconds: u32) -> u64 {
    let start = time::Instant::now();
    alarm.sleep(SECOND * seconds).await;
    start.elapsed().as_secs()
}

/// Begins a wait and gives it up a second later.
async fn given_up(alarm: &Alarm, seconds: u32) {
    let mut wait = alarm.sleep(SECOND * seconds);
    assert_eq!(wait.as_mut().now_or_never(), None);
    time::advance(SECOND).await;
    assert_eq!(wait.as_mut().now_or_never(), None);
}

#[tokio::test(start_paused = true)]
async fn it_rings_when_a_wait_is_over() {
    assert_eq!(rings_after(&Alarm::default(), 10).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_given_up_makes_the_next_neither_shorter_nor_longer() {
    let alarm = Alarm::default();
    for seconds in [10, 10, 3, 60, 10] {
        given_up(&alarm, seconds).await;
        assert_eq!(rings_after(&alarm, 10).await, 10, "after {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_rings_for_a_wait_that_begins_after_it_has_rung_for_nobody() {
    let alarm = Alarm::default();
    given_up(&alarm, 2).await;
    time::advance(SECOND * 5).await;
    assert_eq!(rings_after(&alarm, 10).await, 10);
    assert_eq!(alarm.sleep(Duration::ZERO).now_or_never(), Some(()));
}
