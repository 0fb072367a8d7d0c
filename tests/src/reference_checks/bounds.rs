//! Checks of the bounds of a capacity.
//!
//! The host checks them too, but a plugin may also be composed with another component.

use std::ops::RangeInclusive;

use super::{capacity, enable};
use edge_cache_conformance::{
    Factory, RegistryUnderTest, Violation, counters, entry, expect_eq, fresh, snapshot,
};
use edge_cache_core::{Change, EdgeCacheError, NodeCapacity, NodeId};

const NODES: &[u64] = &[1, 2, 3, 4];

const NOTHING: NodeCapacity = NodeCapacity {
    cpu_cores: 0,
    ram_mib: 0,
    disk_mib: 0,
    geo: None,
};

/// Every character that the contract forbids in text.
const UNPRINTABLE: &[RangeInclusive<char>] = &[
    '\0'..='\u{1f}',
    '\u{7f}'..='\u{9f}',
    '\u{61c}'..='\u{61c}',
    '\u{200e}'..='\u{200f}',
    '\u{2028}'..='\u{2029}',
    '\u{202a}'..='\u{202e}',
    '\u{2066}'..='\u{2069}',
];

/// Allowed characters next to the forbidden ranges.
const PRINTABLE: &[char] = &[
    ' ', '~', '\u{a0}', '\u{61b}', '\u{61d}', '\u{200d}', '\u{2010}', '\u{2027}', '\u{202f}',
    '\u{2065}', '\u{206a}',
];

fn with_geo(geo: &str) -> NodeCapacity {
    NodeCapacity {
        geo: Some(geo.to_string()),
        ..capacity(1)
    }
}

fn most(geo: Option<String>) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: u32::MAX,
        ram_mib: u64::MAX,
        disk_mib: u64::MAX,
        geo,
    }
}

pub(super) fn as_given(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    for given in [capacity(102_400), most(None), most(Some("x".repeat(64)))] {
        let answered = registry.enable(1, &given)?.map(|node| node.capacity);
        expect_eq("the capacity", &answered, &Ok(given))?;
    }
    Ok(())
}

pub(super) fn single_zero(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    for (cpu_cores, ram_mib, disk_mib) in [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1)] {
        let capacity = NodeCapacity {
            cpu_cores,
            ram_mib,
            disk_mib,
            geo: None,
        };
        enable(registry, &capacity)?;
    }
    let names_all = |text: &str| {
        let mut fields = ["cpu_cores", "ram_mib", "disk_mib"].iter();
        fields.all(|field| text.contains(field))
    };
    let what = "a capacity of nothing must be invalid-capacity naming the fields";
    expect_invalid(registry, 1, &NOTHING, what, names_all)
}

/// Expects a capacity to be refused, with a text that `fits`.
fn expect_invalid(
    registry: &mut dyn RegistryUnderTest,
    node_id: NodeId,
    capacity: &NodeCapacity,
    what: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<(), Violation> {
    match registry.enable(node_id, capacity)? {
        Err(EdgeCacheError::InvalidCapacity(text)) if fits(&text) => Ok(()),
        other => Err(format!("{what}, found {other:?}")),
    }
}

pub(super) fn geo_length(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    for geo in ["x", &"x".repeat(64), &"ü".repeat(32)] {
        enable(registry, &with_geo(geo))?;
    }
    let before = snapshot(registry, NODES)?;
    for geo in ["", &"x".repeat(65), &"ü".repeat(33), &"x".repeat(10_000)] {
        let bytes = geo.len();
        let what =
            format!("a geo of {bytes} bytes must be invalid-capacity naming field and limit");
        for node_id in [1, 2] {
            expect_invalid(registry, node_id, &with_geo(geo), &what, |text| {
                text.contains("geo") && text.contains("64")
            })?;
        }
    }
    expect_eq("the registry", &snapshot(registry, NODES)?, &before)
}

pub(super) fn geo_printable(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enable(registry, &with_geo("Zürich, 東京"))?;
    for c in PRINTABLE {
        enable(registry, &with_geo(&format!("a{c}b")))?;
    }
    let before = snapshot(registry, NODES)?;
    for c in UNPRINTABLE.iter().cloned().flatten() {
        let what = format!("a geo with {c:?} must be invalid-capacity naming the field");
        for node_id in [1, 2] {
            expect_invalid(
                registry,
                node_id,
                &with_geo(&format!("a{c}b")),
                &what,
                |text| text.contains("geo") && !text.contains(c),
            )?;
        }
    }
    expect_eq("the registry", &snapshot(registry, NODES)?, &before)
}

/// Puts the invalid entry last, so that a plugin may have accepted the others before it.
pub(super) fn invalid_entries(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    enable(registry, &capacity(10))?;
    let before = snapshot(registry, NODES)?;
    let good = [
        entry(1, capacity(1), counters(1, 1)),
        entry(2, capacity(2), counters(2, 2)),
    ];
    for (invalid, field) in [
        (with_geo(""), "geo"),
        (with_geo("a\nb"), "geo"),
        (with_geo(&"x".repeat(65)), "geo"),
        (NOTHING, "disk_mib"),
    ] {
        let mut bad = entry(4, capacity(4), counters(4, 4));
        bad.node.capacity = invalid;
        let entries = [good.as_slice(), &[bad]].concat();
        let changes: Vec<_> = entries.iter().cloned().map(Change::Put).collect();
        for answer in [registry.load(&entries)?, registry.apply(&changes)?] {
            match answer {
                Err(text) if text.contains("node 4") && text.contains(field) => {}
                other => {
                    return Err(format!(
                        "load and apply must be refused naming node and field, found {other:?}"
                    ));
                }
            }
            expect_eq("the registry", &snapshot(registry, NODES)?, &before)?;
        }
    }
    Ok(())
}
