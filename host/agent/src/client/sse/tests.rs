use serde_json::json;

use super::*;

const STREAM: &str = ": hello\n\nid: 5-1\nevent: snapshot\ndata: {\"nodes\":[]}\n\n: still here\n\n\
    id: 5-2\nevent: left\ndata: {\"node_id\":7}\n\n";

fn all(parser: &mut Parser) -> Vec<Event> {
    std::iter::from_fn(|| parser.next().unwrap()).collect()
}

#[test]
fn events_are_the_same_however_they_are_cut() {
    let mut whole = Parser::default();
    whole.feed(STREAM.as_bytes()).unwrap();
    let expected = all(&mut whole);
    assert_eq!(expected.len(), 2, "{expected:?}");
    assert_eq!(expected[1].id, "5-2");
    assert_eq!(expected[1].name, "left");
    assert_eq!(expected[1].data, json!({"node_id": 7}));
    for size in 1..STREAM.len() {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for chunk in STREAM.as_bytes().chunks(size) {
            parser.feed(chunk).unwrap();
            found.extend(all(&mut parser));
        }
        assert_eq!(found, expected, "in pieces of {size} bytes");
    }
}

#[test]
fn half_an_event_is_none() {
    let mut parser = Parser::default();
    parser.feed(b"id: 1-1\nevent: left\ndata: {}\n").unwrap();
    assert_eq!(parser.next(), Ok(None));
}

#[test]
fn what_is_no_event_of_an_agent_is_an_error() {
    for (stream, said) in [
        (&b"data: nonsense\n\n"[..], "JSON"),
        (b"data: \xff\n\n", "text"),
    ] {
        let mut parser = Parser::default();
        parser.feed(stream).unwrap();
        let error = parser.next().unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    let mut parser = Parser::default();
    parser.feed(&vec![b'a'; EVENT_BYTES_MAX]).unwrap();
    assert!(parser.feed(b"a").is_err());
}
