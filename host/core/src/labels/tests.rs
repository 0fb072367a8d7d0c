use super::*;

const LIMITS: LabelLimits = LabelLimits {
    count: 2,
    key_bytes: 12,
    value_bytes: 5,
    node_bytes: 30,
};

fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

fn check(wanted: &[(&str, &str)], foreign: &[(&str, &str)]) -> Result<Labels, String> {
    let rules = LabelRules {
        grants: &LabelGrants::from_iter(["edge", "geo"]),
        limits: LIMITS,
        foreign: &labels(foreign).into_iter().collect(),
    };
    rules
        .check(labels(wanted))
        .map_err(|error| error.to_string())
}

#[test]
fn a_grant_allows_its_key_and_what_stands_behind_an_underscore() {
    let grants = LabelGrants::default();
    for key in ["edge_cache", "edge_cache_", "edge_cache_geo"] {
        assert!(grants.allow(key), "{key}");
    }
    for key in ["", "edge", "edge_cach", "edge_caches", "edge_cache.geo"] {
        assert!(!grants.allow(key), "{key}");
    }
}

#[test]
fn labels_up_to_each_limit_are_taken() {
    for wanted in [
        &[][..],
        &[("edge", "")],
        &[("edge_A-Z.0_9", "12345"), ("geo_89012", "1234")],
    ] {
        assert_eq!(
            check(wanted, &[]),
            Ok(labels(wanted).into_iter().collect()),
            "{wanted:?}"
        );
    }
    let wanted = [("edge_6789012", "12345")];
    assert!(check(&wanted, &[("zone", "789012345")]).is_ok());
}

#[test]
fn the_first_rule_that_a_label_breaks_is_named() {
    let plain = "a key must be of the characters A-Z a-z 0-9 _ . - and not empty";
    for (wanted, foreign, reason) in [
        (&[("", "")][..], &[][..], plain),
        (&[("edge_é", "")], &[], plain),
        (&[("edge_678901 ", "")], &[], plain),
        (
            &[("edge_67890123", "")],
            &[],
            "more than 12 bytes, the limit `labels.key_bytes`",
        ),
        (
            &[("edge", "123456")],
            &[],
            "more than 5 bytes, the limit `labels.value_bytes`",
        ),
        (
            &[("edge", "a\nb")],
            &[],
            "the value of `edge` must be printable",
        ),
        (
            &[("edge_6789012", "12345"), ("geo_56789", "12345")],
            &[],
            "more than 30 bytes, the limit `labels.node_bytes`",
        ),
        (
            &[("edge_6789012", "12345")],
            &[("zone", "7890123456")],
            "more than 30 bytes, the limit `labels.node_bytes`",
        ),
        (
            &[("edge", ""), ("edge_1", ""), ("edge_2", "")],
            &[],
            "more than 2 labels for a node, the limit `labels.count`",
        ),
        (
            &[("edge", "1"), ("edge", "2")],
            &[],
            "key `edge` is given twice",
        ),
        (
            &[("zone", "1")],
            &[],
            "key `zone` is not granted; granted are `edge` and `edge_*`, `geo` and `geo_*`",
        ),
        (
            &[("edge", "1")],
            &[("edge", "2")],
            "key `edge` is set by other software on this node",
        ),
    ] {
        let error = check(wanted, foreign).unwrap_err();
        assert!(error.contains(reason), "{wanted:?}: {error}");
    }
}

#[test]
fn the_address_of_a_cache_is_reserved_whatever_is_granted() {
    let rules = LabelRules {
        grants: &LabelGrants::from_iter(["cache"]),
        limits: LabelLimits::default(),
        foreign: &Labels::new(),
    };
    let error = rules.check(labels(&[("cache_address", "192.0.2.7:80")]));
    assert!(error.unwrap_err().to_string().contains("is reserved"));
    assert!(rules.check(labels(&[("cache_size", "1")])).is_ok());
}

#[test]
fn labels_of_other_software_may_have_keys_of_any_printable_text() {
    let check = |pairs: &[_]| check_foreign(&labels(pairs).into_iter().collect(), LIMITS);
    for pairs in [
        &[][..],
        &[("zöne/a b", "a b")],
        &[("zone_6789012", "12345"), ("zone_6789", "1234")],
    ] {
        assert_eq!(check(pairs), Ok(()), "{pairs:?}");
    }
    for (pairs, reason) in [
        (&[("", "")][..], "a key must be printable and not empty"),
        (&[("a\tb", "")], "a key must be printable and not empty"),
        (&[("zone_67890123", "")], "labels.key_bytes"),
        (&[("zone", "123456")], "labels.value_bytes"),
        (
            &[("zone", "\u{202e}")],
            "the value of `zone` must be printable",
        ),
        (
            &[("zone_6789012", "12345"), ("zone_6789", "12345")],
            "labels.node_bytes",
        ),
    ] {
        let error = check(pairs).unwrap_err().to_string();
        assert!(error.contains(reason), "{pairs:?}: {error}");
    }
}
