//! The checks for the decisions of the reference plugin: labels, bounds, weights and settings.

mod bounds;
mod fixture;
mod labels;
mod placement;

use crate::check::{Check, never_skip};

/// Checks for the reference plugin.
pub const REFERENCE: &[Check] = &[
    Check {
        name: "five-labels",
        requirement: "a node with a geo publishes exactly five labels with their exact values",
        skip_reason: never_skip,
        run: labels::five_labels,
    },
    Check {
        name: "four-labels",
        requirement: "a node without a geo publishes exactly four labels, also after it had one",
        skip_reason: never_skip,
        run: labels::four_labels,
    },
    Check {
        name: "native-texts",
        requirement: "errors read as the native registry's",
        skip_reason: never_skip,
        run: labels::native_texts,
    },
    Check {
        name: "as-given",
        requirement: "the capacity is taken as it is given, to its largest values",
        skip_reason: never_skip,
        run: bounds::as_given,
    },
    Check {
        name: "single-zero",
        requirement: "a capacity with some zeros is taken; one of nothing is invalid and the text names all three fields",
        skip_reason: never_skip,
        run: bounds::single_zero,
    },
    Check {
        name: "geo-length",
        requirement: "a geo of 1 to 64 bytes is taken, one of 0, 65 or 10,000 is invalid and the text names the limit",
        skip_reason: never_skip,
        run: bounds::geo_length,
    },
    Check {
        name: "geo-printable",
        requirement: "a geo with control characters or direction marks is invalid",
        skip_reason: never_skip,
        run: bounds::geo_printable,
    },
    Check {
        name: "invalid-entries",
        requirement: "a load or apply with an entry that breaks a bound is refused by its node, and changes nothing",
        skip_reason: never_skip,
        run: bounds::invalid_entries,
    },
    Check {
        name: "weights",
        requirement: "the weight follows the setting: disk, ram, cpu or equal, from 1 to 65,535",
        skip_reason: never_skip,
        run: placement::weights,
    },
    Check {
        name: "not-eligible",
        requirement: "labels that are missing, unparsable or not `true` make a node not eligible",
        skip_reason: never_skip,
        run: placement::not_eligible,
    },
    Check {
        name: "own-labels",
        requirement: "what a node publishes makes it eligible, with its geo",
        skip_reason: never_skip,
        run: placement::own_labels,
    },
    Check {
        name: "wrong-settings",
        requirement: "wrong settings are refused at load, by name, and make nobody eligible",
        skip_reason: never_skip,
        run: placement::wrong_settings,
    },
];
