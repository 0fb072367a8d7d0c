//! Takes the unit tests of the native registry from its source, and changes their `use` line.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};
use serde_json::Value;

/// The line that changes, and the one that it becomes.
const NATIVE: &str = "use super::*;";
const OURS: &str = "use edge_cache_host::zlayer::edge_cache::*;";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let source = fs::read_to_string(overlay()?.join("src/edge_cache.rs"))?;
    let (_, tests) = source
        .split_once("\nmod tests {\n")
        .context("the native registry has a module of tests")?;
    let (before, after) = tests
        .split_once(NATIVE)
        .with_context(|| format!("the tests have the line `{NATIVE}`"))?;
    let out = env::var("OUT_DIR")?;
    let tests = format!("mod tests {{\n{before}{OURS}{after}");
    fs::write(Path::new(&out).join("native_tests.rs"), tests)?;
    Ok(())
}

/// Returns the folder of the crate `zlayer-overlay`, by cargo itself.
fn overlay() -> Result<PathBuf> {
    let output = Command::new(env::var("CARGO")?)
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
        ])
        .arg(env::var("TARGET")?)
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let overlay = packages.iter().find(|it| it["name"] == "zlayer-overlay");
    let manifest = overlay.and_then(|it| it["manifest_path"].as_str());
    let folder = manifest.and_then(|path| Path::new(path).parent());
    Ok(folder
        .context("zlayer-overlay is a dependency")?
        .to_path_buf())
}
