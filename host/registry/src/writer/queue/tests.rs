use super::*;

/// The writer drops a change without an answer while its caller spins.
#[tokio::test]
async fn a_caller_that_spins_hears_that_the_writer_has_ended() {
    let second = Duration::from_secs(1);
    let (queue, requests) = queue(1, second, second, Arc::default());
    let writer = std::thread::spawn(move || drop(requests.next(None)));
    let answer = queue.ask(Operation::Disable { node_id: 7 }).await;
    assert_eq!(answer, Err(EdgeCacheError::ShuttingDown));
    writer.join().unwrap();
}
