//! `plugin check`: what it says of components that keep the contract, of those that break one semantic of
//! it, and of those that mean harm.

mod hostile;
mod mutants;

use std::io::Write as _;

use anyhow::Result;
use edge_cache_agent::plugin_tools::ToolReport;
use edge_cache_tests::agent::run_to_end;
use edge_cache_tests::component::{hostile, mutant, reference_bytes, region};
use edge_cache_tests::dummy::dummy_of;
use edge_cache_tests::plugin_tools::report;
use serde_json::Value;
use tempfile::NamedTempFile;

const REGIONS: &[&str] = &["--setting", "regions=ap-south,ap-north"];
/// Capacities in the regions above, and one that is not.
const SAMPLES: &str = r#"[
    {"cpu_cores": 4, "ram_mib": 8192, "disk_mib": 100000, "geo": "ap-south-1"},
    {"cpu_cores": 2, "ram_mib": 4096, "disk_mib": 50000, "geo": "ap-north"},
    {"cpu_cores": 2, "ram_mib": 4096, "disk_mib": 50000, "geo": "us-east-1"}
]"#;

fn file(bytes: &[u8]) -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Returns the status of a check, and its finding or the reason why it was skipped.
fn line<'a>(told: &'a ToolReport, name: &str) -> (&'a str, &'a str) {
    let mut lines = told.text.lines();
    let Some(line) = lines.find(|line| line.split_whitespace().nth(1) == Some(name)) else {
        panic!("there is no line of {name}: {}", told.text);
    };
    let (status, rest) = line.split_once(' ').unwrap_or_default();
    let said = match status {
        "FAILED" => lines
            .next()
            .and_then(|next| next.trim().strip_prefix("but ")),
        _ => rest.trim().strip_prefix(name),
    };
    (status, said.unwrap_or_default().trim())
}

fn count(told: &ToolReport, status: &str) -> usize {
    let lines = told.text.lines();
    lines.filter(|line| line.starts_with(status)).count()
}

#[test]
fn the_reference_passes_and_its_costs_are_measured() -> Result<()> {
    let component = file(reference_bytes()?)?;
    let told = report("check", component.path(), &[])?;
    assert!(told.is_good, "{}", told.text);
    assert_eq!((count(&told, "FAILED"), count(&told, "skipped")), (0, 0));
    for call in ["enable", "disable", "assess", "add-stats", "list-eligible"] {
        assert!(
            told.text
                .lines()
                .any(|line| line.starts_with(call) && line.contains("s  ")),
            "{call}: {}",
            told.text
        );
    }
    assert!(
        told.text
            .contains("KiB of 65,536 KiB, the limit `memory_bytes`")
    );
    for name in ["compile", "load", "instantiate"] {
        let is_time = |line: &str| line.starts_with(name) && line.ends_with('s');
        assert!(told.text.lines().any(is_time), "{name}: {}", told.text);
    }
    Ok(())
}

#[test]
fn as_json_it_is_one_document() -> Result<()> {
    let component = file(reference_bytes()?)?;
    let told = report("check", component.path(), &["--format", "json"])?;
    let object: Value = serde_json::from_str(&told.text)?;
    assert_eq!(object["passes"], true);
    let checks = object["checks"].as_array().unwrap();
    assert!(
        checks
            .iter()
            .all(|check| check["status"] == "ok" && check["found"].is_null())
    );
    assert!(checks.iter().any(|check| check["name"] == "full"));
    assert_eq!(object["samples"][0]["capacity"]["geo"], "eu-central-1");
    let calls = object["costs"]["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 5);
    assert!(
        calls
            .iter()
            .all(|call| call["p50_us"].as_f64() <= call["p99_us"].as_f64())
    );
    assert!(calls.iter().all(|call| call["p50_us"].as_f64() > Some(0.0)));
    assert!(object["costs"]["memory_bytes"].as_u64() > Some(64 * 1024));
    let millis = |name: &str| object["costs"][name].as_f64();
    assert!(millis("compile_ms") > millis("load_ms"));
    assert!(millis("load_ms") > Some(0.0) && millis("instantiate_ms") > Some(0.0));
    Ok(())
}

#[test]
fn a_registry_written_from_the_wit_alone_passes_with_samples_of_its_own() -> Result<()> {
    let samples = file(SAMPLES.as_bytes())?;
    let sample = ["--sample", samples.path().to_str().unwrap()];
    let told = report("check", region()?, &[REGIONS, &sample].concat())?;
    assert!(told.is_good, "{}", told.text);
    assert!(
        told.text
            .ends_with("region.wasm: 24 ok, 0 FAILED, 1 skipped\n")
    );
    // The one that its policy refuses is said, with its reason, and counts for nothing.
    let skipped: Vec<&str> = told
        .text
        .lines()
        .filter(|line| line.starts_with("skipped"))
        .collect();
    assert_eq!(
        skipped,
        [
            "skipped  sample 3: refused, geo must lie in one of the regions ap-south, ap-north, not in us-east-1"
        ]
    );
    Ok(())
}

#[test]
fn a_policy_that_refuses_every_sample_is_asked_for_others() -> Result<()> {
    let told = report("check", region()?, REGIONS)?;
    assert!(!told.is_good);
    let (status, found) = line(&told, "samples");
    assert_eq!(status, "FAILED");
    assert!(found.starts_with("its policy refuses all 4 samples, the first because: geo must lie"));
    assert!(found.ends_with("give capacities that it takes with `--sample FILE`"));
    assert_eq!(
        line(&told, "round-trip"),
        ("skipped", "its policy takes no sample")
    );
    Ok(())
}

#[test]
fn wrong_settings_are_refused_with_the_words_of_the_component() -> Result<()> {
    for (settings, said) in [
        (
            &[][..],
            "the setting `regions` must be names of regions with commas between, for instance eu-central,eu-west",
        ),
        (
            &["--setting", "regions=eu west"],
            "the setting `regions` must be names of regions with commas between, for instance eu-central,eu-west",
        ),
        (
            &["--setting", "weight=ram"],
            "the only setting is `regions`, there is no `weight`",
        ),
    ] {
        let told = report("check", region()?, settings)?;
        assert!(!told.is_good);
        let found = format!("it refused to load nothing: {said}");
        assert_eq!(line(&told, "starts"), ("FAILED", &*found));
        assert_eq!(line(&told, "load"), ("skipped", "it does not start"));
    }
    Ok(())
}

/// A fault of `enable` ends most checks.
#[test]
fn a_finding_of_many_checks_is_shown_once_and_with_its_sample() -> Result<()> {
    let trap = [
        "--setting",
        "behaviour=trap@enable",
        "--setting",
        "trigger=1",
    ];
    let told = report("check", hostile()?, &trap)?;
    let trapped = "enable trapped: wasm trap: wasm `unreachable` instruction executed";
    let sample = "with sample 1, 8 cores, 16384 MiB RAM and 512000 MiB disk in \"eu-central-1\"";
    let found = format!("{sample}: {trapped}");
    assert_eq!(line(&told, "samples"), ("FAILED", &*found));
    assert_eq!(line(&told, "stats-zero"), ("FAILED", trapped));
    assert_eq!(
        line(&told, "apply"),
        ("FAILED", "the same as in `stats-zero`")
    );
    assert_eq!(told.text.matches(trapped).count(), 2, "{}", told.text);
    Ok(())
}

#[test]
fn what_does_not_load_is_said_once() -> Result<()> {
    let other = file(&dummy_of("package a:b; world c { export d: func(); }")?)?;
    let told = report("check", other.path(), &[])?;
    assert!(!told.is_good);
    assert_eq!(count(&told, "FAILED"), 1);
    let (status, found) = line(&told, "loads");
    assert_eq!(status, "FAILED");
    assert_eq!(
        found,
        "the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0:"
    );
    let lines: Vec<&str> = told
        .text
        .lines()
        .skip_while(|line| !line.ends_with("0.1.0:"))
        .collect();
    for (line, name) in lines.iter().skip(1).zip(["registry", "state", "placement"]) {
        let expected = format!("it does not export the interface `zlayer:edge-cache/{name}@0.1.0`");
        assert_eq!(line.trim(), expected);
    }
    Ok(())
}

#[test]
fn settings_of_an_agent_count_here_too() -> Result<()> {
    let config = file(
        b"[plugin.settings]\nmutation = 'wrong-id'\n[limits]\nmemory_bytes = '32MiB'\nnodes_max = 300\n",
    )?;
    let path = config.path().to_str().unwrap();
    let told = report("check", mutant()?, &["--config", path])?;
    assert_eq!(line(&told, "disable-unknown").0, "FAILED");
    assert!(
        told.text
            .contains("of 32,768 KiB, the limit `memory_bytes`")
    );
    assert_eq!(
        (line(&told, "full").0, line(&told, "measured").0),
        ("ok", "ok")
    );
    assert!(told.text.contains("with 300 entries"), "{}", told.text);
    Ok(())
}

#[tokio::test]
async fn the_status_says_whether_the_contract_is_kept() -> Result<()> {
    let mutant = mutant()?.to_str().unwrap();
    let good = run_to_end(&["plugin", "check", mutant]).await?;
    assert_eq!(good.code, Some(0), "{good:?}");
    let setting = ["--setting", "mutation=unsorted"];
    let bad = run_to_end(&[&["plugin", "check", mutant], &setting[..]].concat()).await?;
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.stdout.contains("the list must be ascending"), "{bad:?}");
    let samples = file(b"[]")?;
    let sample = samples.path().to_str().unwrap();
    let usage = run_to_end(&["plugin", "check", mutant, "--sample", sample]).await?;
    assert_eq!(usage.code, Some(2), "{usage:?}");
    assert!(
        usage
            .stderr
            .contains("there must be 1 to 64 samples, found 0"),
        "{usage:?}"
    );
    let usage = run_to_end(&["plugin", "check", mutant, "--limits-load-deadline", "1ms"]).await?;
    assert_eq!(usage.code, Some(2), "{usage:?}");
    Ok(())
}
