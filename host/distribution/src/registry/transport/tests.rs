use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use super::retry_after;

#[test]
fn a_registry_can_ask_for_a_bounded_wait_only() {
    for (header, seconds) in [
        ("0", Some(0)),
        ("7", Some(7)),
        ("31", Some(30)),
        ("18446744073709551615", Some(30)),
        ("18446744073709551616", None),
        ("-1", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
    ] {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(header))]);
        assert_eq!(
            retry_after(&headers),
            seconds.map(Duration::from_secs),
            "{header}"
        );
    }
    assert_eq!(retry_after(&HeaderMap::new()), None);
}
