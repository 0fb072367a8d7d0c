use super::*;

fn enable(node_id: NodeId, at: u64, by: NodeId) -> Decision {
    Decision {
        node_id,
        op: Op::Enable {
            capacity: NodeCapacity {
                cpu_cores: 8,
                ram_mib: 16_384,
                disk_mib: 512_000,
                geo: Some("eu-central-1".into()),
            },
            enabled_at_ms: 1_700_000_000_123,
        },
        at: Timestamp(at),
        by,
    }
}

#[test]
fn the_wire_format_is_fixed() {
    let enable = enable(7, 5 << 16 | 2, 1);
    let text = concat!(
        r#"{"op":"enable","capacity":{"cpu_cores":8,"ram_mib":16384,"disk_mib":512000,"#,
        r#""geo":"eu-central-1"},"enabled_at_ms":1700000000123,"at":327682,"by":1}"#
    );
    assert_eq!(enable.encode(), text);
    assert_eq!(Decision::decode(7, text), Ok(enable));
    let disable = Decision::disable(7, Timestamp(9), 2);
    assert_eq!(disable.encode(), r#"{"op":"disable","at":9,"by":2}"#);
    assert_eq!(Decision::decode(7, &disable.encode()), Ok(disable));
}

#[test]
fn the_largest_decision_fits() {
    let largest = Decision {
        node_id: u64::MAX,
        op: Op::Enable {
            capacity: NodeCapacity {
                cpu_cores: u32::MAX,
                ram_mib: u64::MAX,
                disk_mib: u64::MAX,
                geo: Some("\"".repeat(64)),
            },
            enabled_at_ms: MS_END - 1,
        },
        at: Timestamp((MS_END << 16) - 1),
        by: u64::MAX,
    };
    let text = largest.encode();
    assert!(text.len() <= Decision::BYTES_MAX, "{}", text.len());
    assert_eq!(Decision::decode(u64::MAX, &text), Ok(largest.clone()));
    let padded = format!("{text:width$}", width = Decision::BYTES_MAX);
    assert_eq!(Decision::decode(u64::MAX, &padded), Ok(largest));
}

#[test]
fn an_invalid_decision_is_refused_with_the_reason() {
    let bound = r#"{"op":"enable","capacity":{"cpu_cores":0,"ram_mib":0,"disk_mib":0},"enabled_at_ms":0,"at":1,"by":1}"#;
    let late = r#"{"op":"enable","capacity":{"cpu_cores":1,"ram_mib":0,"disk_mib":0},"enabled_at_ms":18446744073709551615,"at":1,"by":1}"#;
    let late_stamp = format!(r#"{{"op":"disable","at":{},"by":1}}"#, MS_END << 16);
    let long = format!(r#"{{"op":"disable","at":1,"by":1{}}}"#, " ".repeat(512));
    for (text, reason) in [
        ("", "JSON"),
        ("{}", "JSON"),
        (r#"{"op":"forget","at":1,"by":1}"#, "forget"),
        (r#"{"op":"disable","at":-1,"by":1}"#, "JSON"),
        (bound, "all zero"),
        (late, "year 10000"),
        (&late_stamp, "year 10000"),
        (&long, "512"),
    ] {
        let error = Decision::decode(7, text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn the_higher_timestamp_wins_then_the_higher_author_then_the_greater_bytes() {
    let ordered = [
        Decision::disable(7, Timestamp(1), 9),
        Decision::disable(7, Timestamp(2), 1),
        Decision::disable(7, Timestamp(2), 2),
        enable(7, 2, 2),
        enable(7, 3, 1),
    ];
    for (place, low) in ordered.iter().enumerate() {
        assert!(!low.beats(low));
        for high in &ordered[place + 1..] {
            assert!(high.beats(low), "{high:?} over {low:?}");
            assert!(!low.beats(high), "{low:?} over {high:?}");
        }
    }
}

#[test]
fn a_later_decision_beats_the_one_that_stands_whatever_the_clock_says() {
    assert_eq!(Timestamp::after(None, 1_000), Timestamp::at_ms(1_000));
    let standing = Timestamp::at_ms(1_000);
    for (now_ms, expected) in [
        (10, Timestamp(standing.0 + 1)),
        (1_000, Timestamp(standing.0 + 1)),
        (1_001, Timestamp::at_ms(1_001)),
    ] {
        assert_eq!(Timestamp::after(Some(standing), now_ms), expected);
    }
}

#[test]
fn a_clock_counts_as_at_most_the_year_9000() {
    let latest = Timestamp::after(None, u64::MAX);
    assert_eq!(latest, Timestamp::at_ms(NOW_MS_MAX));
    let next = Timestamp::after(Some(latest), u64::MAX);
    assert!(next > latest && next.check().is_ok());
}

#[test]
fn a_timestamp_from_the_year_10000_on_is_refused() {
    let last = Timestamp((MS_END << 16) - 1);
    assert_eq!(last.check(), Ok(()));
    assert!(Timestamp::after(Some(last), 0).check().is_err());
    assert!(Timestamp(u64::MAX).check().is_err());
}

#[test]
fn a_decision_enables_its_node_or_disables_it() {
    assert!(enable(7, 1, 1).enables());
    assert!(!Decision::disable(7, Timestamp(1), 1).enables());
}

#[test]
fn a_timestamp_is_a_number_for_others() {
    assert_eq!(u64::from(Timestamp(5 << 16 | 2)), 5 << 16 | 2);
}
