//! Checks of `assess`, and of the settings that it follows.

use super::{capacity, enable, pairs};
use edge_cache_conformance::{Factory, Settings, Violation, expect_eq, fresh};
use edge_cache_core::NodeCapacity;
use edge_cache_core::labels::Labels;
use edge_cache_routing::Candidate;

pub(super) fn weights(factory: &Factory<'_>) -> Result<(), Violation> {
    let advertised = |cpu: &str, ram: &str, disk: &str| {
        pairs(&[
            ("edge_cache", "true"),
            ("edge_cache_cpu", cpu),
            ("edge_cache_ram_mib", ram),
            ("edge_cache_disk_mib", disk),
            ("zone", "other software's"),
        ])
    };
    let most = "18446744073709551615";
    let cases = [
        ("disk", advertised("4", "4096", "1023"), 1),
        ("disk", advertised("4", "4096", "2048"), 2),
        ("disk", advertised("4", "4096", "67108863"), 65_535),
        ("disk", advertised("4", "4096", most), 65_535),
        ("disk", advertised("0", "0", "0"), 1),
        ("ram", advertised("4", "8192", "1"), 8),
        ("ram", advertised("4", most, "1"), 65_535),
        ("cpu", advertised("16", "1", "1"), 16),
        ("cpu", advertised("0", "1", "1"), 1),
        ("cpu", advertised("4294967295", "1", "1"), 65_535),
        ("equal", advertised("4", "8192", most), 1),
    ];
    for (by, labels, weight) in cases {
        let settings = Settings::from([("weight".to_string(), by.to_string())]);
        let mut registry = factory(&settings)?;
        let found = registry.assess(1, &labels)?;
        let expected = Some(Candidate { weight, geo: None });
        expect_eq(
            &format!("the candidate by {by} of {labels:?}"),
            &found,
            &expected,
        )?;
    }
    let mut registry = fresh(factory)?;
    let mut with_geo = advertised("1", "1", "3072");
    with_geo.insert("edge_cache_geo".to_string(), "eu".to_string());
    let expected = Some(Candidate {
        weight: 3,
        geo: Some("eu".to_string()),
    });
    expect_eq("the candidate", &registry.assess(1, &with_geo)?, &expected)
}

pub(super) fn not_eligible(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let good = [
        ("edge_cache", "true"),
        ("edge_cache_cpu", "4"),
        ("edge_cache_ram_mib", "1"),
        ("edge_cache_disk_mib", "1"),
        ("edge_cache_geo", "eu"),
    ];
    let bad = [
        ("edge_cache", "True"),
        ("edge_cache", ""),
        ("edge_cache_cpu", "4294967296"),
        ("edge_cache_cpu", "-1"),
        ("edge_cache_cpu", "+1"),
        ("edge_cache_cpu", "01"),
        ("edge_cache_ram_mib", " 1"),
        ("edge_cache_ram_mib", "18446744073709551616"),
        ("edge_cache_disk_mib", "1.5"),
        ("edge_cache_disk_mib", ""),
        ("edge_cache_geo", ""),
    ];
    for (key, value) in bad {
        let mut labels = pairs(&good);
        labels.insert(key.to_string(), value.to_string());
        let found = registry.assess(1, &labels)?;
        expect_eq(&format!("assess with {key}={value:?}"), &found, &None)?;
    }
    for (key, _) in good.iter().take(4) {
        let mut labels = pairs(&good);
        labels.remove(*key);
        let found = registry.assess(1, &labels)?;
        expect_eq(&format!("assess without {key}"), &found, &None)?;
    }
    let found = registry.assess(1, &Labels::new())?;
    expect_eq("assess of no labels", &found, &None)
}

pub(super) fn own_labels(factory: &Factory<'_>) -> Result<(), Violation> {
    let registry = &mut *fresh(factory)?;
    let without_geo = NodeCapacity {
        geo: None,
        ..capacity(10_240)
    };
    for capacity in [capacity(10_240), without_geo] {
        enable(registry, &capacity)?;
        let labels = registry.labels(1);
        let expected = Some(Candidate {
            weight: 10,
            geo: capacity.geo,
        });
        expect_eq("the candidate", &registry.assess(1, &labels)?, &expected)?;
    }
    Ok(())
}

pub(super) fn wrong_settings(factory: &Factory<'_>) -> Result<(), Violation> {
    let eligible = pairs(&[
        ("edge_cache", "true"),
        ("edge_cache_cpu", "1"),
        ("edge_cache_disk_mib", "1"),
        ("edge_cache_ram_mib", "1"),
    ]);
    for (key, value) in [("weight", "size"), ("weight", ""), ("wieght", "disk")] {
        let settings = Settings::from([(key.to_string(), value.to_string())]);
        let mut registry = factory(&settings)?;
        match registry.load(&[])? {
            Err(text) if text.contains(key) => {}
            other => {
                return Err(format!(
                    "load with {key}={value} must be refused by name, found {other:?}"
                ));
            }
        }
        expect_eq("assess", &registry.assess(1, &eligible)?, &None)?;
    }
    Ok(())
}
