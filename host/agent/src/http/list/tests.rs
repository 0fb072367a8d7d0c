use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

use super::Tag;

fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
    let pairs = values
        .iter()
        .map(|value| (name.clone(), value.parse().unwrap()));
    pairs.collect()
}

fn shown(nodes: &[u8], whole: &[u8]) -> String {
    Tag::of(nodes, whole).whole
}

#[test]
fn other_content_has_another_tag() {
    assert_eq!(shown(b"a", b"b"), shown(b"a", b"b"));
    assert_ne!(shown(b"a", b"b"), shown(b"a", b"c"));
    let tag = shown(b"a", b"b");
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && tag.len() == 67,
        "{tag}"
    );
}

#[test]
fn conditions_hold_as_the_standard_says() {
    let tag = Tag::of(b"a", b"b");
    let (shown, busier) = (shown(b"a", b"b"), shown(b"a", b"c"));
    let (weak, list) = (format!("W/{shown}"), format!("\"x\", {shown}"));
    // The header, whether `If-None-Match` finds it had, whether `If-Match` finds it asked for.
    let cases: [(&[&str], bool, bool); 13] = [
        (&[], false, true),
        (&[&shown], true, true),
        (&[&weak], true, false),
        (&[&list], true, true),
        (&["\"x\"", &shown], true, true),
        (&["*"], true, true),
        (&["\"x\""], false, false),
        (&[""], false, false),
        // Not as the standard has them.
        (&["\"a b\""], false, false),
        (&["\"x", "\"a\""], false, false),
        (&["\"x y, z\"", &shown], true, true),
        (&["\"\t\""], false, false),
        // The same nodes with other hit ratios.
        (&[&busier], false, true),
    ];
    for (values, had, asked) in cases {
        let headers = with(IF_NONE_MATCH, values);
        assert_eq!(tag.is_named_by_if_none_match(&headers), had, "{values:?}");
        let headers = with(IF_MATCH, values);
        assert_eq!(tag.fits_if_match(&headers), asked, "{values:?}");
    }
}
