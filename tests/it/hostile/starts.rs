//! Core modules that misbehave before any export is called. No compiler makes them: they are texts.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheRegistry, Limits};
use edge_cache_tests::cluster_of_one::capacity;
use edge_cache_tests::dummy::dummy_with_core;
use insta::assert_snapshot;

use super::{check_memory, hasty, instance, watch_memory};

#[test]
fn a_start_function_that_loops() -> Result<()> {
    let start = "(func $start (loop $again br $again)) (start $start)";
    assert_snapshot!(failure(&append(start)?, hasty())?, @"instantiation ran for longer than 250 ms, the limit `load_deadline`");
    Ok(())
}

#[test]
fn a_start_function_that_sleeps() -> Result<()> {
    let component = dummy_with_core(|core| {
        let subscribe = import(core, "subscribe-duration");
        let block = import(core, "[method]pollable.block");
        let start = format!(
            "(func $start (call {block} (call {subscribe} (i64.const 600000000000)))) (start $start)"
        );
        with(core, &start)
    })?;
    assert_snapshot!(failure(&component, hasty())?, @"instantiation waits for longer than 250 ms, the limit `load_deadline`");
    Ok(())
}

#[test]
fn a_start_function_that_traps() -> Result<()> {
    let start = "(func $start unreachable) (start $start)";
    assert_snapshot!(failure(&append(start)?, hasty())?, @"instantiation trapped: wasm trap: wasm `unreachable` instruction executed");
    Ok(())
}

/// Linkers put the stack below everything else, so one that overflows goes below the first byte.
#[test]
fn a_start_function_that_leaves_its_memory() -> Result<()> {
    let mut told = String::new();
    for access in [
        "(i32.store (i32.const -16) (i32.const 1))",
        "(i32.store (i32.const 1000000) (i32.const 1))",
        // The machine names no address of this one.
        "(memory.fill (i32.const -16) (i32.const 0) (i32.const 8))",
    ] {
        let start = format!("(func $start {access}) (start $start)");
        writeln!(told, "{access}: {}", failure(&append(&start)?, hasty())?)?;
    }
    assert_snapshot!(told, @r"
    (i32.store (i32.const -16) (i32.const 1)): instantiation trapped: wasm trap: out of bounds memory access; the stack within the plugin's memory overflowed: its recursion is too deep or its local variables are too large, or the linker must give it more (in Rust `-C link-arg=-zstack-size=BYTES`)
    (i32.store (i32.const 1000000) (i32.const 1)): instantiation trapped: wasm trap: out of bounds memory access
    (memory.fill (i32.const -16) (i32.const 0) (i32.const 8)): instantiation trapped: wasm trap: out of bounds memory access; a recursion that overflows the stack within the plugin's memory ends like this too
    ");
    Ok(())
}

/// Each of them is within the limit, all together are not.
#[test]
fn memories_that_are_too_large_together() -> Result<()> {
    let component = append("(memory 600) (memory 600)")?;
    assert_snapshot!(failure(&component, hasty())?, @"instantiation ran out of memory at 67108864 bytes, the limit `memory_bytes`");
    Ok(())
}

#[test]
fn memories_that_grow_in_turns() -> Result<()> {
    let component = append(
        "(memory $a 1) (memory $b 1)
        (func $start
            (loop $more
                (br_if $more (i32.and
                    (i32.ne (memory.grow $a (i32.const 16)) (i32.const -1))
                    (i32.ne (memory.grow $b (i32.const 16)) (i32.const -1)))))
            unreachable)
        (start $start)",
    )?;
    assert_snapshot!(failure(&component, Limits::default())?, @"instantiation ran out of memory at 67108864 bytes, the limit `memory_bytes`");
    Ok(())
}

#[test]
fn a_table_that_is_too_large() -> Result<()> {
    let component = append("(table 100001 funcref)")?;
    assert_snapshot!(failure(&component, hasty())?, @"instantiation asked for a table of more than 100000 elements, the limit `table_elements`");
    Ok(())
}

#[test]
fn more_memories_or_tables_than_allowed() -> Result<()> {
    let limits = Limits {
        objects: 4,
        ..hasty()
    };
    let memories = append(&"(memory 1)".repeat(4))?;
    assert_snapshot!(failure(&memories, limits.clone())?, @"instantiation made more than 4 core instances, tables or memories, the limit `objects`");
    let tables = append(&"(table 1 funcref)".repeat(5))?;
    assert_snapshot!(failure(&tables, limits)?, @"instantiation made more than 4 core instances, tables or memories, the limit `objects`");
    Ok(())
}

/// A registry with such a plugin starts nevertheless, and its status says why it takes no changes.
#[tokio::test]
async fn a_registry_whose_component_hangs_in_its_start_function() -> Result<()> {
    let start = "(func $start (loop $again br $again)) (start $start)";
    let plugin = Plugin::from_bytes(&append(start)?, config(hasty()))?;
    let registry = EdgeCacheRegistry::builder(plugin).start().await?;
    assert!(registry.list_eligible().is_empty());
    assert_snapshot!(registry.enable(1, capacity()).await.unwrap_err(), @"the plugin failed: instantiation ran for longer than 250 ms, the limit `load_deadline`");
    Ok(())
}

/// A plugin's placement is the same on every machine. On x86, the processor's own bits would be other ones.
#[test]
fn a_start_function_that_looks_at_the_bits_of_a_number() -> Result<()> {
    let nan = "(f32.div (global.get $zero) (global.get $zero))";
    for differs in [
        format!("(i32.ne (i32.reinterpret_f32 {nan}) (i32.const 0x7fc00000))"),
        format!("(i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (f32x4.splat {nan})))"),
    ] {
        let start = format!(
            "(global $zero (mut f32) (f32.const 0))
            (func $start (if {differs} (then unreachable))) (start $start)"
        );
        let plugin = Plugin::from_bytes(&append(&start)?, config(hasty()))?;
        instance(&plugin).context(differs)?;
    }
    Ok(())
}

/// Returns the error with which the plugin fails to start.
fn failure(component: &[u8], limits: Limits) -> Result<String> {
    watch_memory()?;
    let plugin = Plugin::from_bytes(component, config(limits))?;
    let failure = instance(&plugin).err().context("it started")?;
    check_memory()?;
    Ok(format!("{failure:#}"))
}

fn config(limits: Limits) -> PluginConfig {
    PluginConfig {
        limits,
        ..PluginConfig::default()
    }
}

fn append(text: &str) -> Result<Vec<u8>> {
    dummy_with_core(|core| with(core, text))
}

/// The module with more at its end, where it moves no index.
fn with(core: &str, more: &str) -> String {
    let body = core.trim_end().strip_suffix(')').unwrap_or(core);
    format!("{body}{more})")
}

/// The index of an imported function.
fn import<'a>(core: &'a str, name: &str) -> &'a str {
    let line = core
        .lines()
        .find(|line| line.contains(&format!("\"{name}\"")))
        .unwrap_or_default();
    let index = line.split_once("(func (;").unwrap_or_default().1;
    index.split(';').next().unwrap_or_default()
}
