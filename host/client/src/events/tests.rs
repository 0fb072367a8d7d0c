use futures_util::stream;
use serde_json::json;

use super::*;

const STREAM: &str = ": hello\n\nid: 5-1\nevent: snapshot\ndata: {\"nodes\":[]}\n\n: comment\n\n\
    id: 5-2\nevent: left\ndata: {\"node_id\":7}\n\n";

fn events(bytes: &[u8], chunk: usize, bytes_max: usize) -> Events {
    let chunks: Vec<_> = bytes
        .chunks(chunk)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    Events::new(stream::iter(chunks), bytes_max)
}

async fn all(mut events: Events) -> Result<Vec<ReceivedEvent>, String> {
    let mut found = Vec::new();
    while let Some(event) = events.next().await? {
        found.push(event);
    }
    Ok(found)
}

#[tokio::test]
async fn events_do_not_depend_on_the_chunks() {
    let expected = all(events(STREAM.as_bytes(), STREAM.len(), 1024))
        .await
        .unwrap();
    assert_eq!(expected.len(), 2, "{expected:?}");
    assert_eq!(expected[1].id, "5-2");
    assert_eq!(expected[1].name, "left");
    assert_eq!(expected[1].data, json!({"node_id": 7}));
    for size in 1..STREAM.len() {
        let found = all(events(STREAM.as_bytes(), size, 1024)).await.unwrap();
        assert_eq!(found, expected, "in chunks of {size} bytes");
    }
}

#[tokio::test]
async fn an_incomplete_event_is_dropped() {
    let cut = b"id: 1-1\nevent: left\ndata: {}\n";
    assert_eq!(all(events(cut, 7, 1024)).await, Ok(Vec::new()));
}

#[tokio::test]
async fn an_invalid_event_is_an_error() {
    for (bytes, reason) in [
        (&b"data: nonsense\n\n"[..], "JSON"),
        (b"data: \xff\n\n", "text"),
    ] {
        let error = all(events(bytes, 4, 1024)).await.unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn an_event_is_bounded_and_a_stream_is_not() {
    let long = [b"data: \"".as_slice(), &[b'a'; 2_000]].concat();
    let error = all(events(&long, 100, 1_000)).await.unwrap_err();
    assert!(error.contains("1000 bytes"), "{error}");
    let many = STREAM.repeat(100);
    let found = all(events(many.as_bytes(), 100, 1_000)).await.unwrap();
    assert_eq!(found.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn silence_breaks_a_stream_and_comments_keep_it() {
    let kept = stream::iter(0..10).then(|_| async {
        tokio::time::sleep(KEEP_ALIVE).await;
        Ok(Bytes::from_static(b": comment\n\n"))
    });
    let mut events = Events::new(kept.chain(stream::pending()), 1024);
    let start = tokio::time::Instant::now();
    let error = events.next().await.unwrap_err();
    assert!(error.contains("nothing received"), "{error}");
    assert!(start.elapsed() > KEEP_ALIVE * 10, "{:?}", start.elapsed());
}
