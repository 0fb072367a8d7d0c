use super::{Shutdown, ShutdownMode};

#[tokio::test]
async fn a_leave_outranks_a_stop_and_no_request_is_withdrawn() {
    let shutdown = Shutdown::default();
    let other = shutdown.clone();
    assert_eq!(shutdown.requested(), None);
    let waiting = tokio::spawn(other.clone().wait());
    assert!(!shutdown.request(ShutdownMode::Leave), "the first request");
    assert!(other.request(ShutdownMode::Stop), "the second request");
    assert_eq!(other.requested(), Some(ShutdownMode::Leave));
    waiting.await.unwrap();
}

#[tokio::test]
async fn tasks_that_end_are_named() {
    let shutdown = Shutdown::default();
    let stop = shutdown.clone();
    shutdown.spawn("runs on", async move { stop.wait().await });
    shutdown.spawn("panics", async { panic!("a defect") });
    while shutdown.ended_tasks().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(shutdown.ended_tasks(), ["panics"]);
}
