//! The metadata and the documentation of each crate that others take: complete, with an example.

use std::fs;

use anyhow::{Context, Result, ensure};
use edge_cache_build::cargo;
use serde_json::Value;

use super::ROOT;

const TEXTS: [&str; 4] = ["description", "license", "readme", "rust_version"];
const LISTS: [&str; 2] = ["categories", "keywords"];
const CODE: &str = "\n//! ```";

#[test]
fn a_published_crate_says_what_it_is_and_begins_with_an_example() -> Result<()> {
    let mut examples = 0;
    for package in packages()? {
        let name = &package["name"];
        // An empty list: published nowhere.
        if package["publish"].is_array() {
            continue;
        }
        for key in TEXTS {
            ensure!(package[key].is_string(), "{name} has no {key}");
        }
        for key in LISTS {
            let is_given = package[key].as_array().is_some_and(|list| !list.is_empty());
            ensure!(is_given, "{name} has no {key}");
        }
        let targets = package["targets"].as_array().context("targets")?;
        let is_program = targets.iter().any(|target| target["kind"][0] == "bin");
        let library = targets.iter().find(|target| target["kind"][0] == "lib");
        // An example that no test compiles is none.
        let Some(library) = library.filter(|library| !is_program && library["doctest"] == true)
        else {
            continue;
        };
        let source = library["src_path"].as_str().context("a path")?;
        let has_example = fs::read_to_string(source)?.contains(CODE);
        ensure!(has_example, "the documentation of {name} has no example");
        examples += 1;
    }
    ensure!(examples > 8, "only {examples} libraries were found");
    Ok(())
}

fn packages() -> Result<Vec<Value>> {
    let output = cargo()
        .current_dir(ROOT)
        .args(["metadata", "--offline", "--no-deps", "--format-version=1"])
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    let mut metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].take();
    Ok(serde_json::from_value(packages)?)
}
