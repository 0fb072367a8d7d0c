use axum::http::HeaderMap;
use axum::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use headers::HeaderMapExt;

use super::{fits_if_match, is_named_by_if_none_match, tag_of};

fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
    let pairs = values
        .iter()
        .map(|value| (name.clone(), value.parse().unwrap()));
    pairs.collect()
}

fn shown(content: &[u8]) -> String {
    let mut headers = HeaderMap::new();
    headers.typed_insert(tag_of(content).unwrap());
    headers[ETAG].to_str().unwrap().to_string()
}

#[test]
fn other_content_has_another_tag() {
    assert_eq!(tag_of(b"a"), tag_of(b"a"));
    assert_ne!(tag_of(b"a"), tag_of(b"b"));
    let tag = shown(b"a");
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34,
        "{tag}"
    );
}

#[test]
fn conditions_hold_as_the_standard_says() {
    let tag = tag_of(b"a");
    let shown = shown(b"a");
    let (weak, list) = (format!("W/{shown}"), format!("\"x\", {shown}"));
    // The header, whether `If-None-Match` finds it had, whether `If-Match` finds it asked for.
    let cases: [(&[&str], bool, bool); 8] = [
        (&[], false, true),
        (&[&shown], true, true),
        (&[&weak], true, false),
        (&[&list], true, true),
        (&["\"x\"", &shown], true, true),
        (&["*"], true, true),
        (&["\"x\""], false, false),
        (&[""], false, false),
    ];
    for (values, had, asked) in cases {
        assert_eq!(
            is_named_by_if_none_match(tag.as_ref(), &with(IF_NONE_MATCH, values)),
            had,
            "{values:?}"
        );
        assert_eq!(
            fits_if_match(tag.as_ref(), &with(IF_MATCH, values)),
            asked,
            "{values:?}"
        );
    }
}
