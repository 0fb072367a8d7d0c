use super::*;
use crate::http::limits::NODES_BYTES_MAX;

async fn read(budget: &BodyBudget, body: Body, bytes_max: usize) -> Result<usize, String> {
    let read = budget.read(&HeaderMap::new(), body, bytes_max).await;
    read.map(|read| read.bytes.len()).map_err(|problem| {
        let document = serde_json::to_value(problem.document()).unwrap();
        document["type"].as_str().unwrap().to_string()
    })
}

#[test]
fn a_body_may_take_long_while_it_goes_on_fast_enough() {
    let now = Instant::now();
    let started = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
    let left = |seconds, bytes| deadline(started(seconds), bytes).saturating_duration_since(now);
    let least = BODY_BYTES_PER_SECOND_MIN as usize;
    assert!(left(0, 0) >= BODY_GRACE - Duration::from_secs(1));
    // 18 MB at 10 Mbit/s.
    assert!(left(15, 18_000_000) >= BODY_GRACE - Duration::from_secs(1));
    assert_eq!(left(15, 4 * least), Duration::ZERO, "it is too slow");
    assert!(left(15, 6 * least) > Duration::ZERO, "it is fast enough");
    // However much has come, the next part must come soon.
    assert!(left(0, NODES_BYTES_MAX) <= BODY_GRACE + Duration::from_secs(1));
}

#[tokio::test]
async fn all_bodies_share_one_budget_that_comes_back() {
    let budget = BodyBudget::new(0);
    let whole = || Body::from(vec![b'x'; NODES_BYTES_MAX]);
    let mut held = Vec::new();
    for _ in 0..LARGE_BODIES_BYTES_MAX / NODES_BYTES_MAX {
        let headers = HeaderMap::new();
        let read = budget.read(&headers, whole(), NODES_BYTES_MAX);
        held.push(read.await.unwrap());
    }
    let refused = read(&budget, whole(), NODES_BYTES_MAX).await;
    assert_eq!(refused, Err("/problems/too-many-bodies".to_string()));
    let small = read(&budget, Body::from("{}"), BODY_BYTES_MAX).await;
    assert_eq!(small, Ok(2), "small bodies have a budget of their own");
    held.pop();
    assert_eq!(
        read(&budget, whole(), NODES_BYTES_MAX).await,
        Ok(NODES_BYTES_MAX)
    );
}

#[tokio::test]
async fn an_encoded_body_is_refused() {
    let budget = BodyBudget::new(0);
    for (encoding, taken) in [("gzip", false), ("br", false), ("identity", true)] {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())]);
        let read = budget
            .read(&headers, Body::from("{}"), BODY_BYTES_MAX)
            .await;
        assert_eq!(read.is_ok(), taken, "{encoding}");
    }
}
