use super::*;

fn capacity(geo: Option<&str>) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib: 500_000,
        geo: geo.map(str::to_owned),
    }
}

fn pairs(labels: &[Label]) -> Vec<(&str, &str)> {
    labels
        .iter()
        .map(|label| (label.key.as_str(), label.value.as_str()))
        .collect()
}

/// The labels of the capacity above with one of them replaced, or left out.
fn with(key: &str, value: Option<&str>) -> Vec<Label> {
    let mut labels = capacity_labels(&capacity(Some("eu-central-1")));
    labels.retain(|label| label.key != key);
    labels.extend(value.map(|value| Label::new(key, value)));
    labels
}

#[test]
fn a_capacity_is_written_in_ascending_order_of_key() {
    assert_eq!(
        pairs(&capacity_labels(&capacity(Some("eu-central-1")))),
        [
            ("edge_cache", "true"),
            ("edge_cache_cpu", "8"),
            ("edge_cache_disk_mib", "500000"),
            ("edge_cache_geo", "eu-central-1"),
            ("edge_cache_ram_mib", "16384"),
        ]
    );
    let without_geo = capacity_labels(&capacity(None));
    assert_eq!(without_geo.len(), 4);
    for labels in [without_geo, capacity_labels(&capacity(Some("x")))] {
        assert!(labels.is_sorted_by(|a, b| a.key < b.key));
    }
}

#[test]
fn what_is_written_is_read_back() {
    let largest = NodeCapacity {
        cpu_cores: u32::MAX,
        ram_mib: u64::MAX,
        disk_mib: u64::MAX,
        geo: Some("é".repeat(32)),
    };
    let smallest = NodeCapacity {
        cpu_cores: 0,
        ram_mib: 0,
        disk_mib: 1,
        geo: None,
    };
    for capacity in [largest, smallest, capacity(None), capacity(Some("x"))] {
        let read = advertised_capacity(&capacity_labels(&capacity)).unwrap();
        let expected = NodeCapacity {
            cpu_cores: capacity.cpu_cores,
            ram_mib: capacity.ram_mib,
            disk_mib: capacity.disk_mib,
            geo: capacity.geo,
        };
        assert_eq!(read, Some(expected));
    }
}

#[test]
fn a_node_is_an_edge_cache_only_if_it_says_exactly_true() {
    assert_eq!(advertised_capacity(&[]), Ok(None));
    assert_eq!(advertised_capacity(&with(LABEL_EDGE_CACHE, None)), Ok(None));
    for value in [
        "", "false", "TRUE", "True", "1", "yes", " true", "true ", "true\n",
    ] {
        let labels = with(LABEL_EDGE_CACHE, Some(value));
        assert_eq!(advertised_capacity(&labels), Ok(None), "{value:?}");
    }
    // Nothing else is read then, so nothing else can be at fault.
    let other = [Label::new(LABEL_CPU, "rubbish"), Label::new("role", "db")];
    assert_eq!(advertised_capacity(&other), Ok(None));
}

#[test]
fn the_labels_of_other_software_do_not_matter() {
    let mut labels = with(LABEL_GEO, None);
    labels.push(Label::new("edge_cache_colour", "\u{202E}"));
    labels.insert(0, Label::new("a", ""));
    assert!(advertised_capacity(&labels).unwrap().is_some());
}

#[test]
fn a_missing_number_is_named() {
    for key in [LABEL_CPU, LABEL_RAM_MIB, LABEL_DISK_MIB] {
        let fault = advertised_capacity(&with(key, None)).unwrap_err();
        assert_eq!(fault, LabelFault::Missing(key));
        assert_eq!(fault.to_string(), format!("label {key} is missing"));
    }
}

#[test]
fn only_canonical_integers_are_numbers() {
    let never = [
        "",
        "+1",
        "-1",
        "-0",
        "00",
        "01",
        "007",
        " 1",
        "1 ",
        "1\n",
        "1.0",
        "1e3",
        "0x1",
        "1_000",
        "1,000",
        "eight",
        "٣",
        "１",
        "18446744073709551616",
        "99999999999999999999999",
    ];
    for key in [LABEL_CPU, LABEL_RAM_MIB, LABEL_DISK_MIB] {
        for value in never {
            let fault = advertised_capacity(&with(key, Some(value)));
            assert_eq!(fault, Err(LabelFault::Number(key)), "{key} {value:?}");
        }
        for value in ["0", "1", "10", "4294967295"] {
            let read = advertised_capacity(&with(key, Some(value)));
            assert!(read.unwrap().is_some(), "{key} {value:?}");
        }
    }
}

#[test]
fn each_number_has_its_own_range() {
    let too_many_cores = with(LABEL_CPU, Some("4294967296"));
    assert_eq!(
        advertised_capacity(&too_many_cores),
        Err(LabelFault::Number(LABEL_CPU))
    );
    for key in [LABEL_RAM_MIB, LABEL_DISK_MIB] {
        let largest = with(key, Some("18446744073709551615"));
        assert!(advertised_capacity(&largest).unwrap().is_some());
    }
}

#[test]
fn a_geo_out_of_bounds_is_a_fault() {
    let cases = [
        (String::new(), CapacityError::GeoLength(0)),
        ("x".repeat(65), CapacityError::GeoLength(65)),
        ("eu\u{202E}".into(), CapacityError::GeoCharacter('\u{202E}')),
    ];
    for (geo, error) in cases {
        let fault = advertised_capacity(&with(LABEL_GEO, Some(&geo))).unwrap_err();
        assert_eq!(fault, LabelFault::Geo(error));
        assert_eq!(fault.to_string(), format!("label edge_cache_geo: {error}"));
    }
}
