//! What the reference component decides by itself: labels, the rule for `geo`, weights and settings.

use super::contract::{capacity, fresh, same};
use super::subject::{Broken, Subject};
use super::{Check, Factory, Settings};
use crate::EdgeCacheError;
use crate::labels::Labels;
use crate::types::{Candidate, NodeCapacity};

/// The checks for the reference component.
pub const REFERENCE: &[Check] = &[
    Check {
        name: "five-labels",
        what: "a node with a geo publishes exactly five labels with their exact values",
        run: five_labels,
    },
    Check {
        name: "four-labels",
        what: "a node without a geo publishes exactly four labels, also after it had one",
        run: four_labels,
    },
    Check {
        name: "geo-length",
        what: "a geo of 1 to 64 bytes is taken, one of 0, 65 or 10,000 is invalid and the text names the limit",
        run: geo_length,
    },
    Check {
        name: "geo-printable",
        what: "a geo with control characters or direction marks is invalid",
        run: geo_printable,
    },
    Check {
        name: "single-zero",
        what: "a capacity with some zeros is taken",
        run: single_zero,
    },
    Check {
        name: "native-texts",
        what: "errors read as the native registry's",
        run: native_texts,
    },
    Check {
        name: "weights",
        what: "the weight follows the setting: disk, ram, cpu or equal, from 1 to 65,535",
        run: weights,
    },
    Check {
        name: "not-eligible",
        what: "labels that are missing, unparsable or not `true` make a node not eligible",
        run: not_eligible,
    },
    Check {
        name: "wrong-settings",
        what: "wrong settings are refused at load, by name",
        run: wrong_settings,
    },
];

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_string(), (*value).to_string()))
        .collect()
}

fn enable(subject: &mut dyn Subject, capacity: &NodeCapacity) -> Result<(), Broken> {
    same("enable", &subject.enable(1, capacity)?.map(drop), &Ok(()))
}

fn five_labels(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    enable(subject, &capacity(102_400))?;
    let expected = labels(&[
        ("edge_cache", "true"),
        ("edge_cache_cpu", "8"),
        ("edge_cache_disk_mib", "102400"),
        ("edge_cache_geo", "eu-central-1"),
        ("edge_cache_ram_mib", "16384"),
    ]);
    same("the labels", &subject.labels(1), &expected)
}

fn four_labels(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    enable(subject, &capacity(102_400))?;
    let without_geo = NodeCapacity {
        cpu_cores: u32::MAX,
        ram_mib: u64::MAX,
        disk_mib: 0,
        geo: None,
    };
    enable(subject, &without_geo)?;
    let expected = labels(&[
        ("edge_cache", "true"),
        ("edge_cache_cpu", "4294967295"),
        ("edge_cache_disk_mib", "0"),
        ("edge_cache_ram_mib", "18446744073709551615"),
    ]);
    same("the labels", &subject.labels(1), &expected)
}

fn with_geo(geo: &str) -> NodeCapacity {
    NodeCapacity {
        geo: Some(geo.to_string()),
        ..capacity(1)
    }
}

fn geo_length(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    for geo in ["x", &"x".repeat(64), &"ü".repeat(32)] {
        enable(subject, &with_geo(geo))?;
    }
    for geo in ["", &"x".repeat(65), &"ü".repeat(33), &"x".repeat(10_000)] {
        match subject.enable(2, &with_geo(geo))? {
            Err(EdgeCacheError::InvalidCapacity(text))
                if text.contains("geo") && text.contains("64") => {}
            other => {
                return Err(format!(
                    "a geo of {} bytes must be invalid-capacity naming field and limit, found {other:?}",
                    geo.len()
                ));
            }
        }
    }
    same("is-enabled", &subject.is_enabled(2)?, &false)
}

fn geo_printable(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    for geo in [
        "a\nb",
        "\u{1b}[31m",
        "a\0",
        "a\u{7f}",
        "a\u{85}b",
        "\u{202e}ue",
        "a\u{2066}",
        "a\u{200f}",
    ] {
        match subject.enable(2, &with_geo(geo))? {
            Err(EdgeCacheError::InvalidCapacity(text)) if text.contains("geo") => {}
            other => {
                return Err(format!(
                    "the geo {geo:?} must be invalid-capacity naming the field, found {other:?}"
                ));
            }
        }
    }
    same("is-enabled", &subject.is_enabled(2)?, &false)
}

fn single_zero(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    for (cpu_cores, ram_mib, disk_mib) in [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1)] {
        let capacity = NodeCapacity {
            cpu_cores,
            ram_mib,
            disk_mib,
            geo: None,
        };
        enable(subject, &capacity)?;
    }
    Ok(())
}

fn native_texts(factory: &Factory<'_>) -> Result<(), Broken> {
    let subject = &mut *fresh(factory)?;
    let text = |answer: Result<(), EdgeCacheError>| {
        answer
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    same(
        "the text",
        &text(subject.disable(7)?),
        &"node 7 is not registered as edge-cache eligible".to_string(),
    )?;
    subject.refuse_labels();
    let found = text(subject.enable(7, &capacity(1))?.map(drop));
    if found.starts_with("gossip label push failed: ") {
        return Ok(());
    }
    Err(format!(
        "the text must begin as the native one, found {found:?}"
    ))
}

fn weights(factory: &Factory<'_>) -> Result<(), Broken> {
    let advertised = |cpu: &str, ram: &str, disk: &str| {
        labels(&[
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

fn not_eligible(factory: &Factory<'_>) -> Result<(), Broken> {
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
        ("edge_cache_ram_mib", "18446744073709551616"),
        ("edge_cache_disk_mib", "1.5"),
        ("edge_cache_disk_mib", ""),
        ("edge_cache_geo", ""),
    ];
    for (key, value) in bad {
        let mut labels = labels(&good);
        labels.insert(key.to_string(), value.to_string());
        let found = subject.assess(1, &labels)?;
        same(&format!("assess with {key}={value:?}"), &found, &None)?;
    }
    for (key, _) in good.iter().take(4) {
        let mut labels = labels(&good);
        labels.remove(*key);
        same(
            &format!("assess without {key}"),
            &subject.assess(1, &labels)?,
            &None,
        )?;
    }
    Ok(())
}

fn wrong_settings(factory: &Factory<'_>) -> Result<(), Broken> {
    for (key, value) in [("weight", "size"), ("wieght", "disk")] {
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
    }
    Ok(())
}
