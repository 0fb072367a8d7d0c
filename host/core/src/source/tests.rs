use super::{SOURCE_NAME_BYTES_MAX, SourceId, SourceName};
use crate::EdgeCacheStats;

#[test]
fn a_name_has_plain_characters_and_a_length() {
    let longest = "n".repeat(SOURCE_NAME_BYTES_MAX);
    for name in ["varnish", "7", "a.b-c_D", "Log..", &*longest] {
        let parsed: SourceName = name.parse().unwrap();
        assert_eq!(parsed.as_str(), name);
    }
    let longer = format!("{longest}n");
    for name in [
        "", ".", "..", "-a", "_a", "a/b", "a b", "é", "a\n", &*longer,
    ] {
        assert!(name.parse::<SourceName>().is_err(), "{name:?}");
    }
}

#[test]
fn an_id_is_read_as_it_is_written() {
    let id = SourceId {
        node_id: u64::MAX,
        name: "a.b".parse().unwrap(),
    };
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in ["", "7", "x/a", "7/", "/a", "7/a/b"] {
        assert!(text.parse::<SourceId>().is_err(), "{text:?}");
    }
}

#[test]
fn a_source_counts_the_difference_or_from_zero_if_a_counter_has_fallen() {
    let stats = |hits, misses| EdgeCacheStats { hits, misses };
    let last = stats(10, 5);
    for (now, difference) in [
        (stats(10, 5), stats(0, 0)),
        (stats(13, 5), stats(3, 0)),
        (stats(13, 6), stats(3, 1)),
        (stats(4, 2), stats(4, 2)),
        (stats(0, 0), stats(0, 0)),
        // One process has both counters: a restart took both to zero.
        (stats(4, 9), stats(4, 9)),
        (stats(40, 4), stats(40, 4)),
        (
            stats(u64::MAX, u64::MAX),
            stats(u64::MAX - 10, u64::MAX - 5),
        ),
    ] {
        assert_eq!(now.since(last), difference, "{now:?}");
    }
    assert_eq!(last.since(EdgeCacheStats::default()), last);
}

#[test]
fn the_hit_ratio_is_a_share_of_all_requests() {
    let ratio = |hits, misses| EdgeCacheStats { hits, misses }.hit_ratio();
    assert_eq!(ratio(0, 0), None);
    assert_eq!(ratio(0, 3), Some(0.0));
    assert_eq!(ratio(3, 1), Some(0.75));
    assert_eq!(ratio(u64::MAX, u64::MAX), Some(0.5));
}
