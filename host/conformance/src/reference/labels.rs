//! Checks of labels and error texts.

use crate::check::Factory;
use crate::describe::expect_eq;
use crate::fixture::{capacity, enable, fresh, pairs};
use crate::registry::Violation;
use edge_cache_core::EdgeCacheError;
use edge_cache_core::NodeCapacity;

pub(super) fn five_labels(factory: &Factory<'_>) -> Result<(), Violation> {
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

pub(super) fn four_labels(factory: &Factory<'_>) -> Result<(), Violation> {
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

pub(super) fn native_texts(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let text = |answer: Result<(), EdgeCacheError>| {
        answer
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    expect_eq(
        "the text",
        &text(registry.disable(7)?),
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
