//! The policy: admission of nodes, their labels, and the assessment of peers.

use std::cell::OnceCell;

use crate::bindings::exports::zlayer::edge_cache::placement::Candidate;
use crate::bindings::wasi::config::store;
use crate::bindings::zlayer::edge_cache::types::{Label, NodeCapacity};

const MARK: &str = "edge_cache";
const RAM: &str = "edge_cache_ram_mib";
const GEO: &str = "edge_cache_geo";
const MIB_PER_GIB: u64 = 1_024;
const WEIGHT_MAX: u64 = 65_535;
const GEO_BYTES_MAX: usize = 64;

thread_local! {
    // The settings do not change while an instance lives.
    static REGIONS: OnceCell<Result<Vec<String>, String>> = const { OnceCell::new() };
}

/// The regions of the setting.
pub(crate) fn regions() -> Result<Vec<String>, String> {
    REGIONS.with(|regions| regions.get_or_init(read).clone())
}

fn read() -> Result<Vec<String>, String> {
    let settings = store::get_all().map_err(|error| format!("no settings: {error:?}"))?;
    if let Some((key, _)) = settings.iter().find(|(key, _)| key != "regions") {
        return Err(format!(
            "the only setting is `regions`, there is no `{}`",
            key.escape_default()
        ));
    }
    let value = settings.first().map_or("", |(_, value)| value.as_str());
    let regions: Vec<String> = value.split(',').map(|one| one.trim().to_string()).collect();
    let is_region = |one: &String| {
        !one.is_empty() && one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if regions.iter().all(is_region) {
        return Ok(regions);
    }
    Err(
        "the setting `regions` must be names of regions with commas between, for instance \
         eu-central,eu-west"
            .to_string(),
    )
}

/// Admits a node of this capacity, or returns the reason against it.
pub(crate) fn check(capacity: &NodeCapacity) -> Result<(), String> {
    if (capacity.cpu_cores, capacity.ram_mib, capacity.disk_mib) == (0, 0, 0) {
        return Err("cpu-cores, ram-mib and disk-mib are all zero".to_string());
    }
    let regions = regions()?;
    match &capacity.geo {
        Some(geo) if is_geo(geo) && lies_in(geo, &regions) => Ok(()),
        Some(geo) => Err(format!(
            "geo must lie in one of the regions {}, not in {}",
            regions.join(", "),
            geo.escape_default()
        )),
        None => Err(format!(
            "geo must be given, and lie in one of the regions {}",
            regions.join(", ")
        )),
    }
}

/// Returns the labels of an admitted node.
pub(crate) fn labels(capacity: &NodeCapacity) -> Vec<Label> {
    let label = |key: &str, value: String| Label {
        key: key.to_string(),
        value,
    };
    vec![
        label(MARK, "true".to_string()),
        label(RAM, capacity.ram_mib.to_string()),
        label(GEO, capacity.geo.clone().unwrap_or_default()),
    ]
}

/// Labels come from anywhere: whatever does not make sense makes a node not eligible.
pub(crate) fn assess(labels: &[Label]) -> Option<Candidate> {
    let value = |key: &str| {
        let label = labels.iter().find(|label| label.key == key)?;
        Some(label.value.as_str())
    };
    let geo = value(GEO)?;
    if value(MARK)? != "true" || !is_geo(geo) || !lies_in(geo, &regions().ok()?) {
        return None;
    }
    let ram_mib: u64 = value(RAM)?.parse().ok()?;
    let weight = (ram_mib / MIB_PER_GIB).clamp(1, WEIGHT_MAX);
    Some(Candidate {
        weight: u32::try_from(weight).ok()?,
        geo: Some(geo.to_string()),
    })
}

fn lies_in(geo: &str, regions: &[String]) -> bool {
    regions.iter().any(|region| {
        let rest = geo.strip_prefix(region.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

/// Stricter than the contract: what is seen is ASCII.
fn is_geo(geo: &str) -> bool {
    (1..=GEO_BYTES_MAX).contains(&geo.len()) && geo.bytes().all(|byte| byte.is_ascii_graphic())
}
