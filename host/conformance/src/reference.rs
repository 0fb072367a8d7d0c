//! What the reference component decides by itself: labels, bounds, weights and settings.

mod bounds;
mod labels;
mod placement;

use super::Check;
use super::contract::same;
use super::subject::{Broken, Subject};
use edge_cache_core::NodeCapacity;
use edge_cache_core::labels::Labels;

/// The checks for the reference component.
pub const REFERENCE: &[Check] = &[
    Check {
        name: "five-labels",
        what: "a node with a geo publishes exactly five labels with their exact values",
        inapplicable: super::never,
        run: labels::five_labels,
    },
    Check {
        name: "four-labels",
        what: "a node without a geo publishes exactly four labels, also after it had one",
        inapplicable: super::never,
        run: labels::four_labels,
    },
    Check {
        name: "native-texts",
        what: "errors read as the native registry's",
        inapplicable: super::never,
        run: labels::native_texts,
    },
    Check {
        name: "as-given",
        what: "the capacity is taken as it is given, to its largest values",
        inapplicable: super::never,
        run: bounds::as_given,
    },
    Check {
        name: "single-zero",
        what: "a capacity with some zeros is taken; one of nothing is invalid and the text names all three fields",
        inapplicable: super::never,
        run: bounds::single_zero,
    },
    Check {
        name: "geo-length",
        what: "a geo of 1 to 64 bytes is taken, one of 0, 65 or 10,000 is invalid and the text names the limit",
        inapplicable: super::never,
        run: bounds::geo_length,
    },
    Check {
        name: "geo-printable",
        what: "a geo with control characters or direction marks is invalid",
        inapplicable: super::never,
        run: bounds::geo_printable,
    },
    Check {
        name: "invalid-entries",
        what: "a load or apply with an entry that breaks a bound is refused by its node, and changes nothing",
        inapplicable: super::never,
        run: bounds::invalid_entries,
    },
    Check {
        name: "weights",
        what: "the weight follows the setting: disk, ram, cpu or equal, from 1 to 65,535",
        inapplicable: super::never,
        run: placement::weights,
    },
    Check {
        name: "not-eligible",
        what: "labels that are missing, unparsable or not `true` make a node not eligible",
        inapplicable: super::never,
        run: placement::not_eligible,
    },
    Check {
        name: "own-labels",
        what: "what a node publishes makes it eligible, with its geo",
        inapplicable: super::never,
        run: placement::own_labels,
    },
    Check {
        name: "wrong-settings",
        what: "wrong settings are refused at load, by name, and make nobody eligible",
        inapplicable: super::never,
        run: placement::wrong_settings,
    },
];

fn pairs(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_string(), (*value).to_string()))
        .collect()
}

/// Enables node 1, which must succeed.
fn enable(subject: &mut dyn Subject, capacity: &NodeCapacity) -> Result<(), Broken> {
    same("enable", &subject.enable(1, capacity)?.map(drop), &Ok(()))
}

fn capacity(disk_mib: u64) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib,
        geo: Some("eu-central-1".to_string()),
    }
}
