//! The checks for the decisions of the reference plugin: labels, bounds, weights and settings.

mod bounds;
mod labels;
mod placement;

use crate::check::{Check, checks};

/// Checks for the reference plugin.
pub const REFERENCE: &[Check] = checks! {
    "five-labels" labels::five_labels:
        "a node with a geo publishes exactly five labels with their exact values";
    "four-labels" labels::four_labels:
        "a node without a geo publishes exactly four labels, also after it had one";
    "native-texts" labels::native_texts:
        "errors read as the native registry's";
    "as-given" bounds::as_given:
        "the capacity is taken as it is given, to its largest values";
    "single-zero" bounds::single_zero:
        "a capacity with some zeros is taken; one of nothing is invalid and the text names all three fields";
    "geo-length" bounds::geo_length:
        "a geo of 1 to 64 bytes is taken, one of 0, 65 or 10,000 is invalid and the text names the limit";
    "geo-printable" bounds::geo_printable:
        "a geo with control characters or direction marks is invalid";
    "invalid-entries" bounds::invalid_entries:
        "a load or apply with an entry that breaks a bound is refused by its node, and changes nothing";
    "weights" placement::weights:
        "the weight follows the setting: disk, ram, cpu or equal, from 1 to 65,535";
    "not-eligible" placement::not_eligible:
        "labels that are missing, unparsable or not `true` make a node not eligible";
    "own-labels" placement::own_labels:
        "what a node publishes makes it eligible, with its geo";
    "wrong-settings" placement::wrong_settings:
        "wrong settings are refused at load, by name, and make nobody eligible";
};
