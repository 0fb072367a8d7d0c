use super::*;
use crate::capacity::NodeCapacity;
use crate::labels::{LABEL_CPU, LABEL_EDGE_CACHE, capacity_labels};

fn labels(cpu_cores: u32, ram_mib: u64, disk_mib: u64, geo: Option<&str>) -> Vec<Label> {
    capacity_labels(&NodeCapacity {
        cpu_cores,
        ram_mib,
        disk_mib,
        geo: geo.map(str::to_owned),
    })
}

fn weight_of(labels: &[Label], weight: WeightBy) -> u32 {
    assess(labels, Settings { weight }).unwrap().unwrap().weight
}

#[test]
fn gib_weights_are_floored_and_clamped() {
    let cases = [
        (0, 1),
        (1, 1),
        (1_023, 1),
        (1_024, 1),
        (2_047, 1),
        (2_048, 2),
        (500_000, 488),
        (65_535 * 1_024 - 1, 65_534),
        (65_535 * 1_024, 65_535),
        (65_536 * 1_024, 65_535),
        (u64::from(u32::MAX) * 1_024, 65_535),
        ((u64::from(u32::MAX) + 1) * 1_024, 65_535),
        (u64::MAX, 65_535),
    ];
    for (mib, weight) in cases {
        assert_eq!(
            weight_of(&labels(9, 9, mib, None), WeightBy::Disk),
            weight,
            "{mib}"
        );
        assert_eq!(
            weight_of(&labels(9, mib, 9, None), WeightBy::Ram),
            weight,
            "{mib}"
        );
    }
}

#[test]
fn core_weights_are_clamped() {
    let cases = [
        (0, 1),
        (1, 1),
        (64, 64),
        (65_535, 65_535),
        (65_536, 65_535),
        (u32::MAX, 65_535),
    ];
    for (cores, weight) in cases {
        assert_eq!(
            weight_of(&labels(cores, 9, 9, None), WeightBy::Cpu),
            weight,
            "{cores}"
        );
    }
}

#[test]
fn equal_weights_are_equal() {
    for labels in [
        labels(1, 1, 1, None),
        labels(u32::MAX, u64::MAX, u64::MAX, None),
    ] {
        assert_eq!(weight_of(&labels, WeightBy::Equal), 1);
    }
}

#[test]
fn each_weight_follows_from_its_own_number() {
    let labels = labels(3, 5 * 1_024, 7 * 1_024, None);
    assert_eq!(weight_of(&labels, WeightBy::Cpu), 3);
    assert_eq!(weight_of(&labels, WeightBy::Ram), 5);
    assert_eq!(weight_of(&labels, WeightBy::Disk), 7);
}

#[test]
fn disk_is_the_default() {
    let labels = labels(1, 1, 7 * 1_024, None);
    let candidate = assess(&labels, Settings::default()).unwrap().unwrap();
    assert_eq!(candidate.weight, 7);
}

#[test]
fn a_candidate_keeps_its_geo() {
    let settings = Settings::default();
    for geo in [None, Some("eu-central-1")] {
        let candidate = assess(&labels(1, 1, 1, geo), settings).unwrap().unwrap();
        assert_eq!(candidate.geo.as_deref(), geo);
    }
}

#[test]
fn a_node_that_offers_nothing_is_still_eligible() {
    for weight in [
        WeightBy::Disk,
        WeightBy::Ram,
        WeightBy::Cpu,
        WeightBy::Equal,
    ] {
        assert_eq!(weight_of(&labels(0, 0, 0, None), weight), 1);
    }
}

#[test]
fn other_nodes_are_not_eligible() {
    let settings = Settings::default();
    assert_eq!(assess(&[], settings), Ok(None));

    let mut withdrawn = labels(1, 1, 1, None);
    withdrawn.retain(|label| label.key != LABEL_EDGE_CACHE);
    assert_eq!(assess(&withdrawn, settings), Ok(None));

    // A number that the chosen weight does not need must be readable all the same.
    let mut broken = labels(1, 1, 1, None);
    broken.retain(|label| label.key != LABEL_CPU);
    assert_eq!(
        assess(&broken, settings),
        Err(LabelFault::Missing(LABEL_CPU))
    );
}
