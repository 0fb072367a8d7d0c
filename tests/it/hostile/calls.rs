//! Misdeeds in the exports that no caller reaches directly, call by call.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use edge_cache_host::labels::Labels;
use edge_cache_host::sandbox::{Failure, Instance};
use edge_cache_host::{Change, EdgeCacheNode, EdgeCacheStats, Entry, Limits, NodeId};
use edge_cache_tests::cluster_of_one::{OWN, capacity, labels};
use insta::assert_snapshot;

use super::{TRIGGER, check_memory, excerpt, hasty, instance, plugin, roomy, without_lines};

#[test]
fn a_call_that_does_not_end() -> Result<()> {
    assert_snapshot!(failures(&hasty(), &[
        "loop@load",
        "loop@apply",
        "loop@list-eligible",
        "loop@is-enabled",
        "loop@stats",
        "loop@assess",
        "sleep@load",
        "sleep@apply",
        "sleep@list-eligible",
        "sleep@is-enabled",
        "sleep@stats",
        "sleep@assess",
        "many-clocks@load",
        "many-lines@list-eligible",
    ])?, @r"
    loop@load: load ran for longer than 250 ms, the limit `load_deadline`
    loop@apply: apply ran for longer than 250 ms, the limit `call_deadline`
    loop@list-eligible: list-eligible ran for longer than 250 ms, the limit `load_deadline`
    loop@is-enabled: is-enabled ran for longer than 250 ms, the limit `call_deadline`
    loop@stats: stats ran for longer than 250 ms, the limit `call_deadline`
    loop@assess: assess ran for longer than 250 ms, the limit `call_deadline`
    sleep@load: load waits for longer than 250 ms, the limit `load_deadline`
    sleep@apply: apply waits for longer than 250 ms, the limit `call_deadline`
    sleep@list-eligible: list-eligible waits for longer than 250 ms, the limit `load_deadline`
    sleep@is-enabled: is-enabled waits for longer than 250 ms, the limit `call_deadline`
    sleep@stats: stats waits for longer than 250 ms, the limit `call_deadline`
    sleep@assess: assess waits for longer than 250 ms, the limit `call_deadline`
    many-clocks@load: load ran for longer than 250 ms, the limit `load_deadline`
    many-lines@list-eligible: list-eligible ran for longer than 250 ms, the limit `load_deadline`; it logged 16 lines
    ");
    Ok(())
}

#[test]
fn a_call_that_traps_or_exits() -> Result<()> {
    assert_snapshot!(failures(&Limits::default(), &[
        "trap@load",
        "trap@apply",
        "trap@list-eligible",
        "trap@is-enabled",
        "trap@stats",
        "trap@assess",
        "exit@load",
    ])?, @r"
    trap@load: load trapped: wasm trap: wasm `unreachable` instruction executed
    trap@apply: apply trapped: wasm trap: wasm `unreachable` instruction executed
    trap@list-eligible: list-eligible trapped: wasm trap: wasm `unreachable` instruction executed
    trap@is-enabled: is-enabled trapped: wasm trap: wasm `unreachable` instruction executed
    trap@stats: stats trapped: wasm trap: wasm `unreachable` instruction executed
    trap@assess: assess trapped: wasm trap: wasm `unreachable` instruction executed
    exit@load: load trapped: it exited with status 1
    ");
    Ok(())
}

#[test]
fn a_call_that_wants_more_than_there_is() -> Result<()> {
    let limits = Limits {
        memory_bytes: Limits::default().memory_bytes,
        ..roomy()
    };
    assert_snapshot!(failures(&limits, &[
        "grow@load",
        "grow@assess",
        "recurse@list-eligible",
        "recurse@stats",
        "handles@load",
        "publish-nodes@load",
        "publish-nodes@apply",
    ])?, @r"
    grow@load: load ran out of memory at 67108864 bytes, the limit `memory_bytes`
    grow@assess: assess ran out of memory at 67108864 bytes, the limit `memory_bytes`
    recurse@list-eligible: list-eligible used up its stack of 524288 bytes, the limit `stack_bytes`
    recurse@stats: stats used up its stack of 524288 bytes, the limit `stack_bytes`
    handles@load: load holds more than 1000 handles, the limit `handles`
    publish-nodes@load: the component refused to load: denied: labels for more than 20000 nodes in one call, the limit `nodes_max`
    publish-nodes@apply: the component refused to load: denied: labels for more than 20000 nodes in one call, the limit `nodes_max`
    ");
    Ok(())
}

#[test]
fn a_call_that_answers_too_much() -> Result<()> {
    assert_snapshot!(failures(&roomy(), &[
        "huge@load",
        "huge@apply",
        "huge@list-eligible",
        "huge@assess",
    ])?, @r"
    huge@load: load handed over more than 16777216 bytes, the limit `list_data_bytes`
    huge@apply: apply handed over more than 1048576 bytes, the limit `call_data_bytes`
    huge@list-eligible: list-eligible handed over more than 16777216 bytes, the limit `list_data_bytes`
    huge@assess: assess handed over more than 1048576 bytes, the limit `call_data_bytes`
    ");
    Ok(())
}

#[test]
fn a_call_that_lies() -> Result<()> {
    assert_snapshot!(failures(&Limits::default(), &[
        "twice@list-eligible",
        "unsorted@list-eligible",
        "escapes@assess",
        "weightless@assess",
        "heavy@assess",
    ])?, @r"
    twice@list-eligible: list-eligible broke the contract: node 666 is listed twice
    unsorted@list-eligible: list-eligible broke the contract: node 1 is listed after node 666, the list must be ascending
    escapes@assess: assess broke the contract: geo must be printable: no control characters and no direction marks
    weightless@assess: assess broke the contract: the weight must be 1 to 65535, got 0
    heavy@assess: assess broke the contract: the weight must be 1 to 65535, got 65536
    ");
    Ok(())
}

#[test]
fn a_refusal_that_is_meant_for_a_terminal() -> Result<()> {
    let plugin = plugin("escaped-error@load", Limits::default())?;
    let (mut instance, _) = instance(&plugin)?;
    let failure = call(&mut instance, "load").unwrap_err();
    assert_snapshot!(excerpt(&failure), @"the component refused to load: �[2J�[31mall is well����[2J�[ .. ��… | 1057 bytes");
    Ok(())
}

/// Each failure ends with what the call logged, with the half line that it printed last.
#[test]
fn a_call_that_logs_before_it_fails() -> Result<()> {
    let mut table = String::new();
    for behaviour in [
        "say-loop@is-enabled",
        "say-sleep@stats",
        "say-grow@assess",
        "say-handles@load",
        "say-publish-other-key@load",
        "say-trap@apply",
        "say-exit@assess",
        "say-unsorted@list-eligible",
        "say-heavy@assess",
    ] {
        let plugin = plugin(behaviour, patient())?;
        let (mut failing, log) = instance(&plugin)?;
        let (_, export) = behaviour.split_once('@').context("no export")?;
        let failure = call(&mut failing, export).err().context(behaviour)?;
        writeln!(table, "{behaviour}: {failure}")?;
        let lines = log.latest();
        let last = lines.last().map(|line| line.message.as_str());
        assert_eq!(last, Some("unfinish"), "{behaviour}");
    }
    assert_snapshot!(table, @r"
    say-loop@is-enabled: is-enabled ran for longer than 2000 ms, the limit `call_deadline`; it logged: logged | printed | unfinish
    say-sleep@stats: stats waits for longer than 2000 ms, the limit `call_deadline`; it logged: logged | printed | unfinish
    say-grow@assess: assess ran out of memory at 67108864 bytes, the limit `memory_bytes`; it logged: logged | printed | unfinish
    say-handles@load: load holds more than 1000 handles, the limit `handles`; it logged: logged | printed | unfinish
    say-publish-other-key@load: the component refused to load: denied: key `zone` is not granted; granted are `edge_cache` and `edge_cache_*`; it logged: logged | printed | unfinish
    say-trap@apply: apply trapped: wasm trap: wasm `unreachable` instruction executed; it logged: logged | printed | unfinish
    say-exit@assess: assess trapped: it exited with status 1; it logged: logged | printed | unfinish
    say-unsorted@list-eligible: list-eligible broke the contract: node 1 is listed after node 666, the list must be ascending; it logged: logged | printed | unfinish
    say-heavy@assess: assess broke the contract: the weight must be 1 to 65535, got 65536; it logged: logged | printed | unfinish
    ");
    Ok(())
}

/// Time to fill the memory also on a machine that is busy.
fn patient() -> Limits {
    Limits {
        call_deadline: Duration::from_secs(2),
        ..Limits::default()
    }
}

/// The table of how the calls failed.
fn failures(limits: &Limits, behaviours: &[&str]) -> Result<String> {
    let mut table = String::new();
    for behaviour in behaviours {
        let plugin = plugin(behaviour, limits.clone())?;
        let (mut failing, _) = instance(&plugin)?;
        let (_, export) = behaviour.split_once('@').context("no export")?;
        let failure = call(&mut failing, export)
            .err()
            .with_context(|| (*behaviour).to_string())?;
        writeln!(table, "{behaviour}: {}", without_lines(&failure))?;
        drop(failing);
        // The next instance is none the worse.
        let (mut next, _) = instance(&plugin)?;
        next.load(&[entry(OWN)])?;
        assert!(next.enable(OWN, &capacity())?.is_ok());
        check_memory()?;
    }
    Ok(table)
}

/// Calls the export with the node that the guest waits for.
fn call(instance: &mut Instance, export: &str) -> Result<(), Failure> {
    let entries = [entry(OWN), entry(TRIGGER)];
    if export == "load" {
        return instance.load(&entries).map(drop);
    }
    instance.load(&[entry(OWN)])?;
    match export {
        "apply" => {
            let changes = entries.map(Change::Put);
            instance.apply(&changes).map(drop)
        }
        "list-eligible" => {
            instance.load(&entries)?;
            instance.list_eligible().map(drop)
        }
        "is-enabled" => instance.is_enabled(TRIGGER).map(drop),
        "stats" => instance.stats(TRIGGER).map(drop),
        _ => instance.assess(TRIGGER, &shown()).map(drop),
    }
}

fn shown() -> Labels {
    labels([("edge_cache", "true")])
}

fn entry(node_id: NodeId) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: capacity(),
            enabled_at: SystemTime::UNIX_EPOCH,
        },
        stats: EdgeCacheStats::default(),
    }
}
