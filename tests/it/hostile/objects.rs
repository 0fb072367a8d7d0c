//! Objects of the collector and exceptions, as C++ and Kotlin have them: under the same limits as everything else.
//!
//! The guests are texts: each export runs the same misdeed.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edge_cache_host::labels::Labels;
use edge_cache_host::sandbox::{Failure, Instance, Plugin, PluginConfig};
use edge_cache_host::{Change, EdgeCacheRegistry, EdgeCacheStats, Limits, PluginState};
use edge_cache_tests::cluster_of_one::capacity;
use edge_cache_tests::dummy::dummy_with_core;
use edge_cache_tests::reference_plugin;
use insta::assert_snapshot;

use super::{check_memory, instance, watch_memory};

/// Time in which any limit has ended a call, also on a machine that is busy.
const OVER_WITHIN: Duration = Duration::from_secs(60);

/// An object that refers to one of its kind, a list of them, an array, and exceptions.
const TYPES: &str = "
    (type $node (struct (field (ref null $node)) (field i64 i64 i64 i64)))
    (type $bytes (array (mut i8)))
    (global $list (mut (ref null $node)) (ref.null $node))
    (global $caught (mut exnref) (ref.null exn))
    (tag $empty)
    (tag $chained (param exnref))
    (func $push
        (global.set $list (struct.new $node
            (global.get $list) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0))))";

const KEEPS_OBJECTS: &str = "(loop $more (call $push) (br $more))";
const DROPS_OBJECTS: &str =
    "(loop $more (call $push) (global.set $list (ref.null $node)) (br $more))";
const KEEPS_EXCEPTIONS: &str = "
    (loop $more
        (block $handler (result exnref)
            (try_table (catch_all_ref $handler) (throw $chained (global.get $caught)))
            unreachable)
        (global.set $caught)
        (br $more))";
const THROWS_AND_CATCHES: &str = "
    (loop $more
        (block $handler (try_table (catch_all $handler) (throw $empty)))
        (br $more))";
const THROWS_FROM_THE_DEPTH: &str = "
    (loop $more
        (block $handler (try_table (catch_all $handler) (call $deep (i32.const 4000))))
        (br $more))";
const DEEP: &str = "
    (func $deep (param i32)
        (if (i32.eqz (local.get 0)) (then (throw $empty)))
        (call $deep (i32.sub (local.get 0) (i32.const 1)))
        (call $deep (i32.const 0)))";
const THROWS: &str = "(throw $empty)";

/// Wraps a misdeed into a loop that catches everything.
fn catching(misdeed: &str) -> String {
    format!("(loop $again (block $handler (try_table (catch_all $handler) {misdeed})) (br $again))")
}

/// A component whose every export runs the misdeed, with more definitions in its module.
fn guest(misdeed: &str, more: &str) -> Result<Vec<u8>> {
    dummy_with_core(|core| {
        let core = core.replace("unreachable", "call $misdeed unreachable");
        let body = core.trim_end().trim_end_matches(')');
        format!("{body} {TYPES} {more} (func $misdeed {misdeed}))")
    })
}

fn plugin(component: &[u8], limits: Limits) -> Result<Plugin> {
    watch_memory()?;
    let config = PluginConfig {
        limits,
        ..PluginConfig::default()
    };
    Ok(Plugin::from_bytes(component, config)?)
}

/// Returns the failure of an instance whose call runs the misdeed, and the memory that it has then.
fn failed(misdeed: &str, more: &str, limits: &Limits) -> Result<(Failure, usize)> {
    let plugin = plugin(&guest(misdeed, more)?, limits.clone())?;
    let (mut instance, _) = instance(&plugin)?;
    let begun = Instant::now();
    let failure = instance.is_enabled(1).err().context("it succeeded")?;
    anyhow::ensure!(begun.elapsed() < OVER_WITHIN, "{:?}", begun.elapsed());
    check_memory()?;
    Ok((failure, instance.memory_bytes()))
}

fn table(misdeeds: &[(&str, &str)], more: &str, limits: &Limits) -> Result<String> {
    let mut table = String::new();
    for (name, misdeed) in misdeeds {
        let (failure, _) = failed(misdeed, more, limits).with_context(|| (*name).to_string())?;
        writeln!(table, "{name}: {failure}")?;
    }
    Ok(table)
}

/// Time enough to fill the memory on a machine that is busy.
fn patient() -> Limits {
    Limits {
        call_deadline: Duration::from_secs(20),
        ..Limits::default()
    }
}

#[test]
fn objects_that_are_kept_count_as_memory() -> Result<()> {
    let arrays = "(loop $more (drop (array.new_default $bytes (i32.const 100000000))) (br $more))";
    let endless = "(drop (array.new_default $bytes (i32.const -1)))";
    assert_snapshot!(table(&[
        ("objects", KEEPS_OBJECTS),
        ("exceptions", KEEPS_EXCEPTIONS),
        ("large arrays", arrays),
        ("an array that no memory holds", endless),
    ], "", &patient())?, @r"
    objects: is-enabled ran out of memory at 67108864 bytes, the limit `memory_bytes`
    exceptions: is-enabled ran out of memory at 67108864 bytes, the limit `memory_bytes`
    large arrays: is-enabled ran out of memory at 67108864 bytes, the limit `memory_bytes`
    an array that no memory holds: is-enabled ran out of memory at 67108864 bytes, the limit `memory_bytes`
    ");
    Ok(())
}

/// Objects cannot have the memory that linear memories take.
#[test]
fn objects_and_linear_memories_share_one_limit() -> Result<()> {
    let limits = patient();
    let (alone, taken_alone) = failed(KEEPS_OBJECTS, "", &limits)?;
    let (beside, taken_beside) = failed(KEEPS_OBJECTS, "(memory $large 900)", &limits)?;
    assert_eq!((alone.kind(), beside.kind()), ("memory", "memory"));
    let large = 900 * 64 * 1024;
    assert!(taken_alone > limits.memory_bytes / 4, "{taken_alone}");
    assert!(taken_beside > large, "{taken_beside}");
    for taken in [taken_alone, taken_beside] {
        assert!(taken <= limits.memory_bytes, "{taken}");
    }
    Ok(())
}

#[test]
fn objects_that_are_dropped_are_collected_until_the_deadline() -> Result<()> {
    let (failure, taken) = failed(DROPS_OBJECTS, "", &Limits::default())?;
    assert_snapshot!(failure, @"is-enabled ran for longer than 250 ms, the limit `call_deadline`");
    assert!(taken < 8 * 1024 * 1024, "{taken}");
    Ok(())
}

#[test]
fn exceptions_that_are_caught_do_not_extend_a_deadline() -> Result<()> {
    assert_snapshot!(table(&[
        ("throws and catches", THROWS_AND_CATCHES),
        ("throws from the depth", THROWS_FROM_THE_DEPTH),
        ("catches everything", &catching(THROWS)),
    ], DEEP, &Limits::default())?, @r"
    throws and catches: is-enabled ran for longer than 250 ms, the limit `call_deadline`
    throws from the depth: is-enabled ran for longer than 250 ms, the limit `call_deadline`
    catches everything: is-enabled ran for longer than 250 ms, the limit `call_deadline`
    ");
    Ok(())
}

/// Limits end a call, whatever the plugin catches.
#[test]
fn no_limit_can_be_caught() -> Result<()> {
    let recursion = "(func $endless (call $endless) (call $endless))";
    let more = format!("{DEEP} {recursion}");
    let endless = catching("(loop $more (br $more))");
    assert_snapshot!(
        table(&[("loop", &endless)], &more, &Limits::default())?,
        @"loop: is-enabled ran for longer than 250 ms, the limit `call_deadline`"
    );
    assert_snapshot!(table(&[
        ("trap", &catching("(unreachable)")),
        ("stack", &catching("(call $endless)")),
        ("memory", &catching(KEEPS_OBJECTS)),
    ], &more, &patient())?, @r"
    trap: is-enabled trapped: wasm trap: wasm `unreachable` instruction executed
    stack: is-enabled used up its stack of 524288 bytes, the limit `stack_bytes`
    memory: is-enabled ran out of memory at 67108864 bytes, the limit `memory_bytes`
    ");
    Ok(())
}

#[test]
fn an_exception_through_any_export_ends_the_call() -> Result<()> {
    let plugin = plugin(&guest(THROWS, "")?, Limits::default())?;
    type Call = fn(&mut Instance) -> Result<(), Failure>;
    let calls: [Call; 9] = [
        |instance| instance.load(&[]).map(drop),
        |instance| instance.apply(&[Change::Remove(1)]).map(drop),
        |instance| instance.enable(1, &capacity()).map(drop),
        |instance| instance.disable(1).map(drop),
        |instance| instance.add_stats(1, EdgeCacheStats::default()).map(drop),
        |instance| instance.is_enabled(1).map(drop),
        |instance| instance.list_eligible().map(drop),
        |instance| instance.stats(1).map(drop),
        |instance| instance.assess(1, &Labels::new()).map(drop),
    ];
    let mut table = String::new();
    for call in calls {
        let (mut instance, _) = instance(&plugin)?;
        let failure = call(&mut instance).err().context("it succeeded")?;
        writeln!(table, "{failure}")?;
    }
    assert_snapshot!(table, @r"
    load trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    apply trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    enable trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    disable trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    add-stats trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    is-enabled trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    list-eligible trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    stats trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    assess trapped: it threw an exception that it did not catch: an export must catch its own and return an error
    ");
    let start = guest(THROWS, "(start $misdeed)")?;
    let start = self::plugin(&start, Limits::default())?;
    let failure = instance(&start).err().context("it started")?;
    assert_snapshot!(failure, @"instantiation trapped: it threw an exception that it did not catch: an export must catch its own and return an error");
    Ok(())
}

/// A registry goes on with another plugin after each of them.
#[tokio::test]
async fn a_registry_survives_all_of_them() -> Result<()> {
    for misdeed in [
        KEEPS_OBJECTS,
        KEEPS_EXCEPTIONS,
        THROWS_FROM_THE_DEPTH,
        THROWS,
    ] {
        let limits = Limits {
            load_deadline: Duration::from_secs(2),
            ..Limits::default()
        };
        let plugin = plugin(&guest(misdeed, DEEP)?, limits)?;
        let registry = EdgeCacheRegistry::builder(plugin).start().await?;
        registry.enable(1, capacity()).await.unwrap_err();
        registry.swap(reference_plugin()?).await?;
        registry.enable(1, capacity()).await?;
        assert_eq!(registry.status().state, PluginState::Running);
        check_memory()?;
    }
    Ok(())
}
