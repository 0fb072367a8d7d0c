use super::*;
use crate::http::limits::NODES_BYTES_MAX;

async fn read(budget: &BodyBudget, body: Body, bytes_max: usize) -> Result<usize, String> {
    let read = budget.read(&HeaderMap::new(), body, bytes_max).await;
    read.map(|read| read.bytes.len()).map_err(|problem| {
        let document = serde_json::to_value(problem.document()).unwrap();
        document["type"].as_str().unwrap().to_string()
    })
}

/// Tells for how many seconds a body lasts of which `bytes` come every `every`, at most 100 s.
fn lasts(first: usize, bytes: usize, every: Duration) -> u64 {
    let start = Instant::now();
    let mut deadline = extended(start + BODY_GRACE, start, first);
    let mut now = start + every;
    while now <= deadline && now < start + Duration::from_secs(100) {
        deadline = extended(deadline, now, bytes);
        now += every;
    }
    now.duration_since(start).as_secs()
}

#[test]
fn a_body_may_take_long_while_it_goes_on_fast_enough() {
    let least = BODY_BYTES_PER_SECOND_MIN as usize;
    let second = Duration::from_secs(1);
    assert_eq!(lasts(0, 1_250_000, second), 100, "10 Mbit/s");
    assert_eq!(lasts(0, least, second), 100, "the least speed");
    assert!(lasts(0, least / 2, second) < 25, "half of the least speed");
    assert!(lasts(0, 0, second) <= 11, "nothing comes");
    let sent_ahead = lasts(NODES_BYTES_MAX, 1, Duration::from_secs(9));
    assert!(sent_ahead <= 18, "sent ahead, then stopped: {sent_ahead} s");
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
        // Each header counts, not the first alone.
        let headers = HeaderMap::from_iter([
            (CONTENT_ENCODING, "identity".parse().unwrap()),
            (CONTENT_ENCODING, encoding.parse().unwrap()),
        ]);
        let read = budget
            .read(&headers, Body::from("{}"), BODY_BYTES_MAX)
            .await;
        assert_eq!(read.is_ok(), taken, "{encoding}");
    }
}
