use super::*;

#[test]
fn a_bucket_grants_one_second_as_a_burst_and_then_its_rate() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(10);
    for _ in 0..10 {
        assert_eq!(bucket.take(1, start), Some(Duration::ZERO));
    }
    assert_eq!(bucket.take(1, start), Some(Duration::from_millis(100)));
    assert_eq!(bucket.take(1, start), Some(Duration::from_millis(200)));
    let later = start + Duration::from_secs(10);
    assert_eq!(bucket.take(10, later), Some(Duration::ZERO));
    assert_eq!(bucket.take(1_000, later), Some(Duration::from_secs(1)));
}

#[test]
fn an_empty_budget_grants_nothing() {
    assert_eq!(TokenBucket::new(0).take(1, Instant::now()), None);
}
