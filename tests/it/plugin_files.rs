//! Errors about files that are no plugin. Nothing of such a file runs.
//!
//! An operator who names the wrong file reads these texts: each is pinned with its causes.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use edge_cache_host::sandbox::{ImportGrants, Plugin, PluginConfig, PluginError};
use edge_cache_host::{EdgeCacheRegistry, Limits};
use edge_cache_tests::dummy::{dummy, dummy_beside, dummy_of, dummy_with};
use insta::assert_snapshot;

/// A world that has nothing to do with ours.
const OTHER_WORLD: &str = "
    package example:greeter@1.0.0;
    world greeter { export greet: func(name: string) -> string; }
";

/// An interface of WASI that the host does not have.
const OTHER_WASI: &str = "
    package wasi:nn@0.2.0;
    interface inference { handle: func(request: u32) -> u32; }
";

#[test]
fn a_text_file_is_refused() -> Result<()> {
    assert_snapshot!(refusal_of_file(b"#!/bin/sh\necho hello\n")?, @r"the plugin is not a WebAssembly file: it does not begin with `\0asm`; give the component that its build made");
    Ok(())
}

#[test]
fn an_empty_file_is_refused() -> Result<()> {
    assert_snapshot!(refusal_of_file(b"")?, @r"the plugin is not a WebAssembly file: it does not begin with `\0asm`; give the component that its build made");
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let result = Plugin::from_file(Path::new("not/there.wasm"), PluginConfig::default());
    assert_snapshot!(refusal(result), @"cannot read the plugin not/there.wasm: No such file or directory (os error 2)");
}

#[test]
fn a_core_module_is_refused_with_the_way_to_a_component() -> Result<()> {
    assert_snapshot!(refusal_of_file(b"\0asm\x01\0\0\0")?, @"the plugin is a WebAssembly core module, not a component; build it for a target of components, in Rust wasm32-wasip2, or turn it into one with `wasm-tools component new`");
    Ok(())
}

#[test]
fn webassembly_of_an_unknown_version_is_refused() -> Result<()> {
    assert_snapshot!(refusal_of_file(b"\0asm\x0e\0\x01\0")?, @"the plugin is WebAssembly of an unknown version; a component of version 0x0d is needed: build it with other tools");
    Ok(())
}

#[test]
fn a_truncated_component_is_refused() -> Result<()> {
    // The beginning of a section that announces 100 bytes.
    let part = b"\0asm\x0d\0\x01\0\x01\x64\0asm\x01\0\0\0";
    assert_snapshot!(refusal_of_file(part)?, @"the plugin is not a valid component: failed to parse WebAssembly module: wasm component contains an invalid module section: section range 10..110 is out of bounds (bound = 18); the file is damaged, or built with a feature that this host does not have: `wasm-tools validate` says more");
    Ok(())
}

/// A refusal of a feature that toolchains have names the way around it.
#[test]
fn a_component_with_a_feature_that_is_off_is_refused_with_advice() -> Result<()> {
    let mut told = String::new();
    let (locals, parameters) = ("i64 ".repeat(50_001), "i64 ".repeat(1_001));
    let locals = format!("(core module (func (local {locals})))");
    let parameters = format!("(core module (type (func (param {parameters}))))");
    for definition in [
        "(core module (memory 1 1 shared))",
        "(core module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
        "(core module (memory i64 1))",
        "(core module (func try catch_all end))",
        "(core func (canon waitable-set.new))",
        "(type (stream u8))",
        "(import \"a\" (func $a)) (core type $c (func)) (core func (canon lower (func $a) gc (core-type $c)))",
        locals.as_str(),
        parameters.as_str(),
        "(core module (import \"a\" \"b\" (func)) (import \"a\" \"b\" (func)))",
    ] {
        let component = wat::parse_str(format!("(component {definition})"))?;
        writeln!(told, "{definition:.100}: {}", refusal_of(&component))?;
    }
    assert_snapshot!(told, @r#"
    (core module (memory 1 1 shared)): the plugin is not a valid component: failed to parse WebAssembly module: threads must be enabled for shared memories (at offset 0x15); a plugin has no threads: build it without them, in Rust for wasm32-wasip2, in C without `-pthread`
    (core module (memory 1) (func (drop (i32.atomic.load (i32.const 0))))): the plugin is not a valid component: failed to compile: wasm[0]::function[0]: WebAssembly translation error: Invalid input WebAssembly code at offset 40: threads support is not enabled; a plugin has no threads: build it without them, in Rust for wasm32-wasip2, in C without `-pthread`
    (core module (memory i64 1)): the plugin is not a valid component: failed to parse WebAssembly module: memory64 must be enabled for 64-bit memories (at offset 0x15); a memory is addressed by 32 bits: build for wasm32, not for wasm64
    (core module (func try catch_all end)): the plugin is not a valid component: failed to compile: wasm[0]::function[0]: WebAssembly translation error: Invalid input WebAssembly code at offset 33: legacy_exceptions feature required for try instruction; these exceptions have their old form: compile with `-mllvm -wasm-use-legacy-eh=false`
    (core func (canon waitable-set.new)): the plugin is not a valid component: failed to parse WebAssembly module: `waitable-set.new` requires the component model async feature (at offset 0xb); a plugin is called without async: build its functions without async and for WASI 0.2, in Rust for wasm32-wasip2
    (type (stream u8)): the plugin is not a valid component: failed to parse WebAssembly module: `stream` requires the component model async feature (at offset 0xb); a plugin is called without async: build its functions without async and for WASI 0.2, in Rust for wasm32-wasip2
    (import "a" (func $a)) (core type $c (func)) (core func (canon lower (func $a) gc (core-type $c))): the plugin is not a valid component: failed to parse WebAssembly module: canonical option `gc` requires the `cm-gc` feature (at offset 0x20); the functions of a component pass their data through a linear memory: build it without the canonical option `gc`
    (core module (func (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i6: the plugin is not a valid component: failed to compile: wasm[0]::function[0]: WebAssembly translation error: Invalid input WebAssembly code at offset 33: too many locals: locals exceed maximum; WebAssembly itself has this limit: the file must have fewer
    (core module (type (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 : the plugin is not a valid component: function params size is out of bounds (at offset 0x18); WebAssembly itself has this limit: the file must have fewer
    (core module (import "a" "b" (func)) (import "a" "b" (func))): the plugin is not a valid component: failed to parse WebAssembly module: module has a duplicate import name `a:b` that is not allowed in components (at offset 0x27); the file is damaged, or built with a feature that this host does not have: `wasm-tools validate` says more
    "#);
    Ok(())
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_read_whole() -> Result<()> {
    let config = || PluginConfig {
        limits: Limits {
            plugin_bytes: 1_000,
            ..Limits::default()
        },
        ..PluginConfig::default()
    };
    let file = tempfile::NamedTempFile::new()?;
    // Read whole, this file would take all memory.
    file.as_file().set_len(1 << 40)?;
    assert_snapshot!(refusal(Plugin::from_file(file.path(), config())), @"the plugin is larger than 1000 bytes, the limit `plugin_bytes`");
    assert_snapshot!(refusal(Plugin::from_bytes(&dummy()?, config())), @"the plugin is larger than 1000 bytes, the limit `plugin_bytes`");
    Ok(())
}

#[test]
fn a_component_of_another_world_is_refused_with_all_that_it_lacks() -> Result<()> {
    assert_snapshot!(refusal_of(&dummy_of(OTHER_WORLD)?), @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it does not export the interface `zlayer:edge-cache/registry@0.1.0`; it does not export the interface `zlayer:edge-cache/state@0.1.0`; it does not export the interface `zlayer:edge-cache/placement@0.1.0`");
    Ok(())
}

#[test]
fn a_component_that_lacks_one_interface_is_refused_with_its_name() -> Result<()> {
    let component =
        dummy_with(|text| text.replace("  @since(version = 0.1.0)\n  export placement;\n", ""))?;
    assert_snapshot!(refusal_of(&component), @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it does not export the interface `zlayer:edge-cache/placement@0.1.0`");
    Ok(())
}

#[test]
fn a_component_that_lacks_one_function_is_refused_with_its_signature() -> Result<()> {
    let component = dummy_with(|text| {
        text.replace(
            "is-enabled: func(node-id: node-id) -> bool;",
            "other: func();",
        )
    })?;
    assert_snapshot!(refusal_of(&component), @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it does not export `zlayer:edge-cache/registry@0.1.0#is-enabled`, which must be `func(node-id: u64) -> bool`");
    Ok(())
}

#[test]
fn an_export_of_another_signature_is_refused_with_both_signatures() -> Result<()> {
    let component = dummy_with(|text| {
        text.replace(
            "is-enabled: func(node-id: node-id) -> bool;",
            "is-enabled: func(node-id: node-id) -> option<bool>;",
        )
    })?;
    assert_snapshot!(refusal_of(&component), @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: its export `zlayer:edge-cache/registry@0.1.0#is-enabled` has another signature: result: expected bool, found option<bool>");
    Ok(())
}

#[test]
fn an_import_that_the_host_does_not_have_is_refused() -> Result<()> {
    let component = dummy_beside(
        |text| {
            text.replace(
                "  export registry;",
                "  import wasi:nn/inference@0.2.0;\n  @since(version = 0.1.0)\n  export registry;",
            )
        },
        Some(OTHER_WASI),
    )?;
    assert_snapshot!(refusal_of(&component), @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it imports `wasi:nn/inference@0.2.0`, which this host does not have, and no setting can grant it: build without it");
    Ok(())
}

#[test]
fn an_import_that_the_host_has_in_another_version_is_refused_with_that_version() -> Result<()> {
    let component = dummy_beside(
        |text| {
            text.replace(
                "  export registry;",
                "  import wasi:random/random@0.3.0;\n  @since(version = 0.1.0)\n  export registry;",
            )
        },
        Some("package wasi:random@0.3.0; interface random { get: func() -> u64; }"),
    )?;
    assert_snapshot!(refusal_of(&component), @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it imports `wasi:random/random@0.3.0`, which this host has only in version 0.2: build for WASI 0.2 and without async, in Rust with the target wasm32-wasip2");
    Ok(())
}

#[test]
fn an_interface_of_a_later_wasi_is_refused_with_the_one_to_build_for() -> Result<()> {
    let component = dummy_beside(
        |text| {
            text.replace(
                "  export registry;",
                "  import wasi:clocks/system-clock@0.3.0;\n  @since(version = 0.1.0)\n  export registry;",
            )
        },
        Some("package wasi:clocks@0.3.0; interface system-clock { now: func() -> u64; }"),
    )?;
    assert_snapshot!(refusal_of(&component), @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it imports `wasi:clocks/system-clock@0.3.0`, which is of WASI 0.3, and this host has WASI 0.2: build for WASI 0.2 and without async, in Rust with the target wasm32-wasip2");
    Ok(())
}

#[test]
fn an_import_that_is_not_granted_is_refused_with_the_line_that_grants_it() -> Result<()> {
    let config = PluginConfig {
        imports: ImportGrants::from_iter([
            "zlayer:edge-cache/gossip-labels",
            "wasi:clocks/wall-clock",
        ]),
        ..PluginConfig::default()
    };
    assert_snapshot!(refusal(Plugin::from_bytes(&dummy()?, config)), @r#"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it imports `wasi:config/store@0.2.0-rc.1`, which is not granted; add "wasi:config/store" to `plugin.imports` to grant it; it imports `wasi:logging/logging`, which is not granted; add "wasi:logging/logging" to `plugin.imports` to grant it"#);
    Ok(())
}

#[test]
fn a_component_of_a_later_patch_version_is_accepted() -> Result<()> {
    let component = dummy_with(|text| text.replace("edge-cache@0.1.0", "edge-cache@0.1.5"))?;
    let plugin = Plugin::from_bytes(&component, PluginConfig::default())?;
    assert!(
        plugin
            .imports()
            .contains(&"zlayer:edge-cache/gossip-labels@0.1.5".to_string())
    );
    Ok(())
}

#[test]
fn a_component_of_the_next_minor_version_is_refused_with_both_versions() -> Result<()> {
    let component = dummy_with(|text| text.replace("edge-cache@0.1.0", "edge-cache@0.2.0"))?;
    assert_snapshot!(refusal_of(&component), @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it imports `zlayer:edge-cache/gossip-labels@0.2.0`, which this host has only in version 0.1: build against the interfaces of that version; it does not export the interface `zlayer:edge-cache/registry@0.1.0`, but `zlayer:edge-cache/registry@0.2.0`; it does not export the interface `zlayer:edge-cache/state@0.1.0`, but `zlayer:edge-cache/state@0.2.0`; it does not export the interface `zlayer:edge-cache/placement@0.1.0`, but `zlayer:edge-cache/placement@0.2.0`");
    Ok(())
}

/// A plugin's file does not show its behaviour.
#[tokio::test]
async fn a_component_that_only_traps_is_accepted_as_a_file_and_fails_when_started() -> Result<()> {
    let plugin = Plugin::from_bytes(&dummy()?, PluginConfig::default())?;
    let registry = EdgeCacheRegistry::builder(plugin).start().await?;
    let failure = registry.status().last_failure.unwrap_or_default();
    assert_snapshot!(failure, @"load trapped: wasm trap: wasm `unreachable` instruction executed");
    Ok(())
}

fn refusal_of_file(bytes: &[u8]) -> Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), bytes)?;
    let result = Plugin::from_file(file.path(), PluginConfig::default());
    Ok(refusal(result))
}

fn refusal_of(bytes: &[u8]) -> String {
    refusal(Plugin::from_bytes(bytes, PluginConfig::default()))
}

/// The error with its causes, as the agent shows it.
fn refusal(result: Result<Plugin, PluginError>) -> String {
    match result {
        Ok(plugin) => format!("it was accepted: {plugin:?}"),
        Err(error) => format!("{:#}", anyhow::Error::from(error)),
    }
}
