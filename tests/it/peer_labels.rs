//! Log lines about peers whose labels make no sense.

use std::sync::Arc;

use anyhow::Result;
use edge_cache_host::NodeId;
use edge_cache_host::labels::Labels;
use edge_cache_host::sandbox::{GuestLog, Instance, InstanceConfig, LogLevel};
use edge_cache_tests::cluster_of_one::labels;
use edge_cache_tests::reference_plugin;
use insta::assert_debug_snapshot;

#[test]
fn labels_that_cannot_be_read_are_logged_once_a_node_without_their_values() -> Result<()> {
    let (mut instance, log) = loaded_instance()?;
    let wrong = |key: &str, value: &str| -> Labels {
        let mut labels = labels([
            ("edge_cache", "true"),
            ("edge_cache_cpu", "4"),
            ("edge_cache_disk_mib", "1024"),
            ("edge_cache_ram_mib", "1024"),
        ]);
        labels.insert(key.to_string(), value.to_string());
        labels
    };
    let judged: [(NodeId, Labels); 5] = [
        (7, wrong("edge_cache_cpu", "\u{1b}[31mmany")),
        (7, wrong("edge_cache_cpu", "some")),
        (7, wrong("edge_cache_geo", "")),
        (8, wrong("edge_cache_geo", "a\nb")),
        (8, wrong("edge_cache_geo", "a\nb")),
    ];
    for (node_id, labels) in judged {
        assert_eq!(instance.assess(node_id, &labels)?, None);
    }
    assert_debug_snapshot!(warnings(&log), @r#"
    [
        "node 7 is not eligible: label edge_cache_cpu is not a decimal integer within its range",
        "node 8 is not eligible: label edge_cache_geo: geo must be printable, got the character U+000A",
    ]
    "#);
    Ok(())
}

#[test]
fn a_node_that_is_no_edge_cache_is_not_logged() -> Result<()> {
    let (mut instance, log) = loaded_instance()?;
    for value in ["false", "", "\u{1b}[31m"] {
        let none = instance.assess(7, &labels([("edge_cache", value), ("rack", "b4")]))?;
        assert_eq!(none, None);
    }
    assert!(log.latest().is_empty(), "{:?}", log.latest());
    Ok(())
}

fn loaded_instance() -> Result<(Instance, Arc<GuestLog>)> {
    let plugin = reference_plugin()?;
    let config = InstanceConfig::detached(plugin.config());
    let log = config.log.clone();
    let mut instance = Instance::start(&plugin, config)?;
    instance.load(&[])?;
    Ok((instance, log))
}

fn warnings(log: &GuestLog) -> Vec<String> {
    log.latest()
        .into_iter()
        .map(|line| {
            assert_eq!(line.level, LogLevel::Warn);
            line.message
        })
        .collect()
}
