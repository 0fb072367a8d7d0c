//! `plugin inspect`: the description of a file, of which nothing runs.

use std::io::Write as _;

use anyhow::Result;
use edge_cache_agent::plugin_tools::ToolReport;
use edge_cache_tests::agent::run_to_end;
use edge_cache_tests::component::{reference_bytes, region, with_section};
use edge_cache_tests::dummy::{dummy, dummy_beside, dummy_of, dummy_with, dummy_with_core};
use edge_cache_tests::plugin_tools::report;
use serde_json::Value;
use tempfile::NamedTempFile;

fn file(bytes: &[u8]) -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(bytes)?;
    Ok(file)
}

fn inspect(bytes: &[u8], args: &[&str]) -> Result<ToolReport> {
    report("inspect", file(bytes)?.path(), args)
}

fn object(bytes: &[u8], args: &[&str]) -> Result<Value> {
    let told = inspect(bytes, &[args, &["--format", "json"]].concat())?;
    let object: Value = serde_json::from_str(&told.text)?;
    assert_eq!(object["loads"], told.is_good);
    Ok(object)
}

/// The lines that hold this.
fn lines<'a>(told: &'a ToolReport, part: &str) -> Vec<&'a str> {
    told.text
        .lines()
        .filter(|line| line.contains(part))
        .collect()
}

/// The line after the one that holds this.
fn after<'a>(told: &'a ToolReport, part: &str) -> &'a str {
    let mut lines = told.text.lines().skip_while(|line| !line.contains(part));
    lines.nth(1).unwrap_or_default().trim()
}

#[test]
fn the_reference_is_shown_with_all_that_it_asks_for_and_gives() -> Result<()> {
    let told = inspect(reference_bytes()?, &[])?;
    assert!(told.is_good, "{}", told.text);
    for line in [
        "kind     a WebAssembly component",
        "world    zlayer:edge-cache/edge-cache-plugin@0.1.0",
        "name     edge-cache-plugin",
        "version  0.1.0",
        "licences Apache-2.0",
        "loads    yes",
        "  types    zlayer:edge-cache/types@0.1.0",
        "  granted  zlayer:edge-cache/gossip-labels@0.1.0",
        "  granted  wasi:clocks/wall-clock@0.2.0",
        "  granted  wasi:config/store@0.2.0-rc.1",
        "  granted  wasi:logging/logging",
        "  ok       zlayer:edge-cache/registry@0.1.0#enable",
        "  ok       zlayer:edge-cache/placement@0.1.0#assess",
    ] {
        assert!(
            told.text.lines().any(|found| found == line),
            "{line}: {}",
            told.text
        );
    }
    assert_eq!(lines(&told, "  ok  ").len(), 9);
    assert!(
        lines(&told, "made by")[0].contains("wit-component 0.258.3 (processed-by)"),
        "{}",
        told.text
    );
    Ok(())
}

#[test]
fn as_json_it_is_one_document() -> Result<()> {
    let bytes = reference_bytes()?;
    let object = object(bytes, &[])?;
    assert_eq!(object["bytes"], bytes.len());
    assert_eq!(object["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(object["world"], "zlayer:edge-cache/edge-cache-plugin@0.1.0");
    assert_eq!(object["kind"], "component");
    assert_eq!(object["refusal"], Value::Null);
    let metadata = &object["metadata"];
    assert_eq!(metadata["name"], "edge-cache-plugin");
    assert_eq!(metadata["licenses"], "Apache-2.0");
    let producers = object["producers"].as_array().unwrap();
    assert!(
        producers
            .iter()
            .any(|one| one["field"] == "processed-by" && one["name"] == "wit-component")
    );
    let exports = object["exports"].as_array().unwrap();
    assert!(
        exports
            .iter()
            .all(|one| one["status"] == "ok" && one["expected"] == one["found"])
    );
    Ok(())
}

#[test]
fn what_differs_is_shown_as_it_is_and_as_it_must_be() -> Result<()> {
    let component = dummy_with(|text| {
        text.replace(
            "is-enabled: func(node-id: node-id) -> bool;",
            "is-enabled: func(node-id: node-id) -> option<bool>;",
        )
    })?;
    let told = inspect(&component, &[])?;
    assert!(!told.is_good);
    assert_eq!(lines(&told, "world "), ["world    none of this host"]);
    assert_eq!(
        lines(&told, "DIFFERS"),
        ["  DIFFERS  zlayer:edge-cache/registry@0.1.0#is-enabled"]
    );
    assert_eq!(
        after(&told, "DIFFERS"),
        "result: expected bool, found option<bool>"
    );
    let object = object(&component, &[])?;
    let exports = object["exports"].as_array().unwrap();
    let differing = exports
        .iter()
        .find(|one| one["status"] == "differs")
        .unwrap();
    assert_eq!(differing["found"], "func(node-id: u64) -> option<bool>");
    Ok(())
}

#[test]
fn what_is_missing_is_shown_as_it_must_be() -> Result<()> {
    let component =
        dummy_with(|text| text.replace("  @since(version = 0.1.0)\n  export placement;\n", ""))?;
    let told = inspect(&component, &[])?;
    assert!(!told.is_good);
    assert_eq!(
        lines(&told, "MISSING"),
        ["  MISSING  zlayer:edge-cache/placement@0.1.0#assess"]
    );
    assert!(after(&told, "MISSING").starts_with("expected func(peer: record{node-id: u64,"));
    let other = inspect(
        &dummy_of("package a:b; world c { export d: func(); }")?,
        &[],
    )?;
    assert_eq!(lines(&other, "MISSING").len(), 9);
    Ok(())
}

#[test]
fn an_import_is_shown_with_the_line_that_would_grant_it_if_one_would() -> Result<()> {
    let granted = "zlayer:edge-cache/gossip-labels,wasi:config/store,wasi:logging/logging";
    let told = inspect(&dummy()?, &["--plugin-imports", granted])?;
    assert!(!told.is_good);
    assert_eq!(
        lines(&told, "REFUSED"),
        ["  REFUSED  wasi:clocks/wall-clock@0.2.0"]
    );
    assert_eq!(
        after(&told, "REFUSED"),
        "it imports `wasi:clocks/wall-clock@0.2.0`, which is not granted; add \"wasi:clocks/wall-clock\" to \
         `plugin.imports` to grant it"
    );
    let component = dummy_beside(
        |text| {
            text.replace(
                "  export registry;",
                "  import wasi:nn/inference@0.2.0;\n  @since(version = 0.1.0)\n  export registry;",
            )
        },
        Some("package wasi:nn@0.2.0; interface inference { handle: func(request: u32) -> u32; }"),
    )?;
    let told = inspect(&component, &[])?;
    assert_eq!(
        after(&told, "REFUSED"),
        "it imports `wasi:nn/inference@0.2.0`, which this host does not have, and no setting can grant it: build without it"
    );
    // Its exports are right all the same, and that is said.
    assert_eq!(lines(&told, "  ok  ").len(), 9);
    Ok(())
}

#[test]
fn any_other_file_is_called_what_it_is() -> Result<()> {
    for (bytes, kind) in [
        (
            &b"\0asm\x01\0\0\0"[..],
            "a WebAssembly core module, not a component",
        ),
        (
            b"\0asm\x0e\0\x01\0",
            "WebAssembly of a version that this host does not know",
        ),
        (
            b"\n (component)",
            "WebAssembly as text; `wasm-tools parse` makes a component of it",
        ),
        (
            b"\x7fELF\x02",
            "an ELF file: a program, or WebAssembly that was compiled already",
        ),
        (b"\x1f\x8b\x08", "a file compressed by gzip"),
        (b"", "an empty file"),
        (b"#!/bin/sh\n", "no WebAssembly"),
    ] {
        let told = inspect(bytes, &[])?;
        assert!(!told.is_good);
        assert_eq!(lines(&told, "kind "), [format!("kind     {kind}")]);
        assert!(lines(&told, "because ")[0].starts_with("because  the plugin is "));
    }
    let broken = inspect(b"\0asm\x0d\0\x01\0\x01\x64\0asm\x01\0\0\0", &[])?;
    assert!(lines(&broken, "because ")[0].contains("is not a valid component"));
    Ok(())
}

#[test]
fn a_file_that_is_too_large_or_another_than_the_pinned_one_says_so() -> Result<()> {
    let told = inspect(&dummy()?, &["--limits-plugin-bytes", "1KiB"])?;
    assert!(!told.is_good);
    assert_eq!(lines(&told, "sha256 "), ["sha256   not read"]);
    assert_eq!(
        lines(&told, "because "),
        ["because  the plugin is larger than 1024 bytes, the limit `plugin_bytes`"]
    );
    let other = "00".repeat(32);
    let told = inspect(&dummy()?, &["--plugin-sha256", &other])?;
    assert!(!told.is_good);
    assert!(lines(&told, "but the plugin has the SHA-256 ")[0].contains(&other));
    Ok(())
}

#[test]
fn hostile_metadata_is_cut_and_cleaned_and_none_is_made_up() -> Result<()> {
    let none = object(&dummy()?, &[])?;
    assert_eq!(none["metadata"]["version"], Value::Null);
    let version = b"1\x1b[2J\nforged  line";
    let hostile = with_section(&dummy()?, "version", version);
    let told = inspect(&with_section(&hostile, "licenses", b"\xff\xfe"), &[])?;
    assert!(told.is_good, "{}", told.text);
    assert_eq!(
        lines(&told, "version "),
        ["version  1\u{fffd}[2J\u{fffd}forged  line"]
    );
    assert!(lines(&told, "licences ").is_empty(), "{}", told.text);
    Ok(())
}

/// A start function that never ends would show.
#[test]
fn nothing_of_the_file_runs() -> Result<()> {
    let component = dummy_with_core(|core| {
        let core = core.trim_end().trim_end_matches(')');
        format!("{core} (func $start (loop $again br $again)) (start $start))")
    })?;
    let told = inspect(&component, &["--limits-load-deadline", "600s"])?;
    assert!(told.is_good, "{}", told.text);
    Ok(())
}

#[tokio::test]
async fn the_status_says_whether_an_agent_would_load_it() -> Result<()> {
    let good = run_to_end(&["plugin", "inspect", region()?.to_str().unwrap()]).await?;
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stdout.contains("loads    yes"));
    let script = file(b"#!/bin/sh\n")?;
    let bad = run_to_end(&["plugin", "inspect", script.path().to_str().unwrap()]).await?;
    assert_eq!(bad.code, Some(1), "{bad:?}");
    let gone = run_to_end(&["plugin", "inspect", "not/there.wasm"]).await?;
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(
        gone.stderr
            .contains("cannot read the plugin not/there.wasm"),
        "{gone:?}"
    );
    let usage = run_to_end(&["plugin", "inspect"]).await?;
    assert_eq!(usage.code, Some(2), "{usage:?}");
    Ok(())
}
