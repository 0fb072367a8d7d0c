use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

use super::ETag;

fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
    let pairs = values
        .iter()
        .map(|value| (name.clone(), value.parse().unwrap()));
    pairs.collect()
}

#[test]
fn other_content_has_another_tag() {
    assert_eq!(ETag::of(b"a"), ETag::of(b"a"));
    assert_ne!(ETag::of(b"a"), ETag::of(b"b"));
    let tag = ETag::of(b"a").0;
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34,
        "{tag}"
    );
}

#[test]
fn conditions_hold_as_the_standard_says() {
    let tag = ETag::of(b"a");
    let (shown, weak) = (tag.0.clone(), format!("W/{}", tag.0));
    let list = format!("\"x\", {}", tag.0);
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
            tag.is_named_by_if_none_match(&with(IF_NONE_MATCH, values)),
            had,
            "{values:?}"
        );
        assert_eq!(
            tag.fits_if_match(&with(IF_MATCH, values)),
            asked,
            "{values:?}"
        );
    }
}
