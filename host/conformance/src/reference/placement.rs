//! The judgement of a node by its labels, and the settings that it follows.

use super::super::contract::{fresh, same};
use super::super::subject::Broken;
use super::super::{Factory, Settings};
use super::{capacity, enable, pairs};
use edge_cache_core::NodeCapacity;
use edge_cache_core::labels::Labels;
use edge_cache_routing::Candidate;

pub(super) fn weights(factory: &Factory<'_>) -> Result<(), Broken> {
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
        let mut subject = factory(&settings)?;
        let found = subject.assess(1, &labels)?;
        let expected = Some(Candidate { weight, geo: None });
        same(
            &format!("the candidate by {by} of {labels:?}"),
            &found,
            &expected,
        )?;
    }
    let mut subject = fresh(factory)?;
    let mut with_geo = advertised("1", "1", "3072");
    with_geo.insert("edge_cache_geo".to_string(), "eu".to_string());
    let expected = Some(Candidate {
        weight: 3,
        geo: Some("eu".to_string()),
    });
    same("the candidate", &subject.assess(1, &with_geo)?, &expected)
}

pub(super) fn not_eligible(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
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
        let found = subject.assess(1, &labels)?;
        same(&format!("assess with {key}={value:?}"), &found, &None)?;
    }
    for (key, _) in good.iter().take(4) {
        let mut labels = pairs(&good);
        labels.remove(*key);
        same(
            &format!("assess without {key}"),
            &subject.assess(1, &labels)?,
            &None,
        )?;
    }
    same(
        "assess of no labels",
        &subject.assess(1, &Labels::new())?,
        &None,
    )
}

pub(super) fn own_labels(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let without_geo = NodeCapacity {
        geo: None,
        ..capacity(10_240)
    };
    for capacity in [capacity(10_240), without_geo] {
        enable(subject, &capacity)?;
        let labels = subject.labels(1);
        let expected = Some(Candidate {
            weight: 10,
            geo: capacity.geo,
        });
        same("the candidate", &subject.assess(1, &labels)?, &expected)?;
    }
    Ok(())
}

pub(super) fn wrong_settings(factory: &Factory<'_>) -> Result<(), Broken> {
    let eligible = pairs(&[
        ("edge_cache", "true"),
        ("edge_cache_cpu", "1"),
        ("edge_cache_disk_mib", "1"),
        ("edge_cache_ram_mib", "1"),
    ]);
    for (key, value) in [("weight", "size"), ("weight", ""), ("wieght", "disk")] {
        let settings = Settings::from([(key.to_string(), value.to_string())]);
        let mut subject = factory(&settings)?;
        match subject.load(&[])? {
            Err(text) if text.contains(key) => {}
            other => {
                return Err(format!(
                    "load with {key}={value} must be refused by name, found {other:?}"
                ));
            }
        }
        same("assess", &subject.assess(1, &eligible)?, &None)?;
    }
    Ok(())
}
