//! `plugin try`: what a plugin makes of one node.

use std::path::PathBuf;

use anyhow::Result;
use edge_cache_tests::component::{reference_bytes, region};
use edge_cache_tests::plugin_tools::report;
use serde_json::{Value, json};
use tempfile::TempDir;

const CAPACITY: &str = r#"{"cpu_cores": 8, "ram_mib": 16384, "disk_mib": 512000, "geo": "eu"}"#;

fn reference(folder: &TempDir) -> Result<PathBuf> {
    let file = folder.path().join("reference.wasm");
    std::fs::write(&file, reference_bytes()?)?;
    Ok(file)
}

#[test]
fn an_accepted_capacity_shows_entry_labels_weight_and_costs() -> Result<()> {
    let folder = TempDir::new()?;
    let file = reference(&folder)?;
    let tried = report("try", &file, &["--capacity", CAPACITY])?;
    assert!(tried.is_good);
    for line in [
        "entry      node 1, enabled at ",
        "           8 cores, 16,384 MiB of memory, 512,000 MiB of disk, geo eu",
        "labels     edge_cache           true",
        "           edge_cache_cpu       8",
        "weight     500, geo eu",
        "cost       assess ",
    ] {
        assert!(tried.text.contains(line), "{line}\n{}", tried.text);
    }
    let args = ["--capacity", CAPACITY, "--node-id", "7", "--format", "json"];
    let tried: Value = serde_json::from_str(&report("try", &file, &args)?.text)?;
    assert_eq!(tried["node"]["node_id"], 7);
    assert_eq!(tried["candidate"], json!({"weight": 500, "geo": "eu"}));
    assert!(
        tried["costs_us"]["enable"]
            .as_f64()
            .is_some_and(|us| us > 0.0)
    );
    Ok(())
}

#[test]
fn given_labels_are_judged_instead() -> Result<()> {
    let folder = TempDir::new()?;
    let file = reference(&folder)?;
    let labels = r#"{"edge_cache": "false"}"#;
    let tried = report("try", &file, &["--capacity", CAPACITY, "--labels", labels])?;
    assert!(
        tried.text.contains("labels     edge_cache  false"),
        "{}",
        tried.text
    );
    assert!(tried.text.contains("weight     none"), "{}", tried.text);
    Ok(())
}

#[test]
fn a_refused_capacity_shows_the_reason() -> Result<()> {
    let args = ["--capacity", CAPACITY, "--setting", "regions=us"];
    let refused = report("try", region()?, &args)?;
    assert!(!refused.is_good, "{}", refused.text);
    assert!(refused.text.starts_with("refused    "), "{}", refused.text);
    Ok(())
}

#[test]
fn wrong_json_is_refused_with_what_is_wrong() -> Result<()> {
    let folder = TempDir::new()?;
    let file = reference(&folder)?;
    let wrong = r#"{"cpu_cores": 8, "ram": 1}"#;
    let error = report("try", &file, &["--capacity", wrong])
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown field `ram`"), "{error}");
    assert!(error.contains("ram_mib"), "{error}");
    Ok(())
}
