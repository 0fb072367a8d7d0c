//! The checks for the decisions of the reference plugin: labels, bounds, weights and settings.

mod bounds;
mod placement;

use edge_cache_conformance::{Check, Factory, RegistryUnderTest, Violation, expect_eq, fresh};
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheError, NodeCapacity};

/// Checks of the reference plugin.
pub const REFERENCE: &[Check] = &[
    check(
        "five-labels",
        five_labels,
        "a node with a geo publishes exactly five labels with their exact values",
    ),
    check(
        "four-labels",
        four_labels,
        "a node without a geo publishes exactly four labels, also after it had one",
    ),
    check(
        "native-texts",
        native_texts,
        "errors read as the native registry's",
    ),
    check(
        "as-given",
        bounds::as_given,
        "the capacity is taken as it is given, to its largest values",
    ),
    check(
        "single-zero",
        bounds::single_zero,
        "a capacity with some zeros is taken; one of nothing is invalid and the text names all three fields",
    ),
    check(
        "geo-length",
        bounds::geo_length,
        "a geo of 1 to 64 bytes is taken, one of 0, 65 or 10,000 is invalid and the text names the limit",
    ),
    check(
        "geo-printable",
        bounds::geo_printable,
        "a geo with control characters or direction marks is invalid",
    ),
    check(
        "invalid-entries",
        bounds::invalid_entries,
        "a load or apply with an entry that breaks a bound is refused by its node, and changes nothing",
    ),
    check(
        "weights",
        placement::weights,
        "the weight follows the setting: disk, ram, cpu or equal, from 1 to 65,535",
    ),
    check(
        "not-eligible",
        placement::not_eligible,
        "labels that are missing, unparsable or not `true` make a node not eligible",
    ),
    check(
        "own-labels",
        placement::own_labels,
        "what a node publishes makes it eligible, with its geo",
    ),
    check(
        "wrong-settings",
        placement::wrong_settings,
        "wrong settings are refused at load, by name, and make nobody eligible",
    ),
];

const fn check(
    name: &'static str,
    run: fn(&Factory<'_>) -> Result<(), Violation>,
    requirement: &'static str,
) -> Check {
    Check {
        name,
        requirement,
        skip_reason: None,
        run,
    }
}

fn five_labels(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enable(registry, &capacity(102_400))?;
    let expected = pairs(&[
        ("edge_cache", "true"),
        ("edge_cache_cpu", "8"),
        ("edge_cache_disk_mib", "102400"),
        ("edge_cache_geo", "eu-central-1"),
        ("edge_cache_ram_mib", "16384"),
    ]);
    expect_eq("the labels", &registry.labels(1), &expected)
}

fn four_labels(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enable(registry, &capacity(102_400))?;
    let without_geo = NodeCapacity {
        cpu_cores: u32::MAX,
        ram_mib: u64::MAX,
        disk_mib: 0,
        geo: None,
    };
    enable(registry, &without_geo)?;
    let expected = pairs(&[
        ("edge_cache", "true"),
        ("edge_cache_cpu", "4294967295"),
        ("edge_cache_disk_mib", "0"),
        ("edge_cache_ram_mib", "18446744073709551615"),
    ]);
    expect_eq("the labels", &registry.labels(1), &expected)
}

fn native_texts(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let text = |answer: Result<(), EdgeCacheError>| {
        answer
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let found = text(registry.disable(7)?);
    expect_eq(
        "the text",
        &found,
        &"node 7 is not registered as edge-cache eligible".to_string(),
    )?;
    registry.refuse_labels();
    let found = text(registry.enable(7, &capacity(1))?.map(drop));
    if found.starts_with("gossip label push failed: ") {
        return Ok(());
    }
    Err(format!(
        "the text must begin as the native one, found {found:?}"
    ))
}

/// Makes labels of these keys and values.
fn pairs(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_string(), (*value).to_string()))
        .collect()
}

/// Enables node 1 with a capacity, which must succeed.
fn enable(registry: &mut dyn RegistryUnderTest, capacity: &NodeCapacity) -> Result<(), Violation> {
    expect_eq("enable", &registry.enable(1, capacity)?.map(drop), &Ok(()))
}

fn capacity(disk_mib: u64) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib,
        geo: Some("eu-central-1".to_string()),
    }
}
