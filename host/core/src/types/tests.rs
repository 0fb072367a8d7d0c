use super::*;

#[test]
fn a_geo_has_1_to_64_bytes_of_printable_text() {
    for geo in ["eu-central-1", "é", &"x".repeat(64)] {
        assert_eq!(check_geo(geo), Ok(()));
    }
    for geo in ["", &"x".repeat(65), "eu\n", "eu\u{202e}"] {
        assert!(check_geo(geo).is_err(), "{geo:?}");
    }
}

#[test]
fn a_sum_of_counters_stays_at_the_largest_value() {
    let stats = |hits, misses| EdgeCacheStats { hits, misses };
    assert_eq!(stats(1, 2).plus(stats(30, 40)), stats(31, 42));
    let most = stats(u64::MAX, u64::MAX);
    assert_eq!(most.plus(stats(1, 1)), most);
}

#[test]
fn published_counters_are_read_as_they_are_written_up_to_their_bounds() {
    let largest = PublishedStats {
        enabled_at_ms: MS_END - 1,
        hits: u64::MAX,
        misses: u64::MAX,
    };
    let text = largest.encode();
    assert_eq!(
        text,
        r#"{"enabled_at_ms":253402300799999,"hits":18446744073709551615,"misses":18446744073709551615}"#
    );
    assert_eq!(PublishedStats::decode(&text), Some(largest));
    let padded = format!("{text:128}");
    assert_eq!(PublishedStats::decode(&padded), Some(largest));
    for text in [
        "",
        "{}",
        &format!("{padded} "),
        &text.replace("253402300799999", "253402300800000"),
        &text.replace("253402300799999", "253402300800001"),
    ] {
        assert_eq!(PublishedStats::decode(text), None, "{text}");
    }
    assert_eq!(PublishedStats::key(7), "edge_cache_stats:7");
}

#[test]
fn times_are_whole_milliseconds_from_1970_to_the_year_10000() {
    for ms in [0, 1, 1_700_000_000_123, MS_END] {
        assert_eq!(ms_of(time_of(ms)), ms);
    }
    assert_eq!(ms_of(UNIX_EPOCH - Duration::from_millis(5)), 0);
    assert_eq!(ms_of(UNIX_EPOCH + Duration::from_micros(1_999)), 1);
    assert_eq!(time_of(u64::MAX), time_of(MS_END));
}
