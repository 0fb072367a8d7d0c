use super::*;

fn capacity(cpu_cores: u32, ram_mib: u64, disk_mib: u64) -> NodeCapacity {
    NodeCapacity {
        cpu_cores,
        ram_mib,
        disk_mib,
        geo: None,
    }
}

#[test]
fn only_three_zeros_together_are_refused() {
    assert_eq!(capacity(0, 0, 0).check(), Err(CapacityError::AllZero));
    for capacity in [
        capacity(1, 0, 0),
        capacity(0, 1, 0),
        capacity(0, 0, 1),
        capacity(u32::MAX, u64::MAX, u64::MAX),
    ] {
        assert_eq!(capacity.check(), Ok(()), "{capacity:?}");
    }
}

#[test]
fn the_length_of_a_geo_counts_in_bytes() {
    // "é" has two bytes, "東" three, the crab four.
    let cases = [
        (String::new(), Err(CapacityError::GeoLength(0))),
        ("x".into(), Ok(())),
        ("x".repeat(64), Ok(())),
        ("x".repeat(65), Err(CapacityError::GeoLength(65))),
        ("é".repeat(32), Ok(())),
        (
            format!("{}x", "é".repeat(32)),
            Err(CapacityError::GeoLength(65)),
        ),
        (format!("{}x", "東".repeat(21)), Ok(())),
        ("東".repeat(22), Err(CapacityError::GeoLength(66))),
        ("🦀".repeat(16), Ok(())),
        ("🦀".repeat(17), Err(CapacityError::GeoLength(68))),
    ];
    for (geo, expected) in cases {
        assert_eq!(check_geo(&geo), expected, "{geo:?}");
    }
}

#[test]
fn a_geo_is_printable() {
    for geo in ["eu-central-1", "Österreich / Wien", "東京", " ", "a b"] {
        assert_eq!(check_geo(geo), Ok(()), "{geo:?}");
    }
    for c in [
        '\0', '\n', '\u{7F}', '\u{85}', '\u{061C}', '\u{200E}', '\u{2028}', '\u{202E}', '\u{2069}',
    ] {
        let expected = Err(CapacityError::GeoCharacter(c));
        for geo in [
            format!("{c}"),
            format!("{c}eu"),
            format!("e{c}u"),
            format!("eu{c}"),
        ] {
            assert_eq!(check_geo(&geo), expected, "{geo:?}");
        }
    }
}

#[test]
fn errors_name_the_field_and_the_bound_but_repeat_no_input() {
    assert_eq!(
        CapacityError::AllZero.to_string(),
        "cpu_cores, ram_mib and disk_mib are all zero; at least one must not be"
    );
    assert_eq!(
        CapacityError::GeoLength(65).to_string(),
        "geo must be 1 to 64 bytes, got 65"
    );
    assert_eq!(
        CapacityError::GeoCharacter('\u{7}').to_string(),
        "geo must be printable, got the character U+0007"
    );
    assert_eq!(
        CapacityError::GeoCharacter('\u{202E}').to_string(),
        "geo must be printable, got the character U+202E"
    );
}

#[test]
fn zeros_are_judged_before_the_geo() {
    let mut both = capacity(0, 0, 0);
    both.geo = Some(String::new());
    assert_eq!(both.check(), Err(CapacityError::AllZero));
}
