//! A host with an engine and a store of its own, over the sandbox's imports, labels and limits.

use std::sync::LazyLock;

use edge_cache_host::labels::{LabelGrants, Labels};
use edge_cache_host::sandbox::{
    InstanceConfig, InstanceLimits, LabelStage, PluginConfig, PluginCtx, PluginView,
    PublishedLabels, add_to_linker, add_wasi_http_to_linker, add_wasi_to_linker,
};
use edge_cache_host::{Limits, NodeId};
use edge_cache_tests::cluster_of_one::labels;
use edge_cache_tests::component::{hostile, reference_bytes};
use insta::assert_snapshot;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_wasi::{WasiCtxView, WasiView};

use bindings::EdgeCachePlugin;
use bindings::exports::zlayer::edge_cache::registry::{EdgeCacheError, EdgeCacheNode};
use bindings::zlayer::edge_cache::types::NodeCapacity;

mod bindings {
    #![allow(unreachable_pub, clippy::expect_used, reason = "generated code")]

    wasmtime::component::bindgen!({ path: "../wit", world: "edge-cache-plugin" });
}

/// The node that brings out the bad side of the hostile guest.
const TRIGGER: NodeId = 666;
const OTHER: NodeId = 7;

const SOME: NodeCapacity = NodeCapacity {
    cpu_cores: 1,
    ram_mib: 1,
    disk_mib: 1,
    geo: None,
};
const NOTHING: NodeCapacity = NodeCapacity {
    cpu_cores: 0,
    ram_mib: 0,
    disk_mib: 0,
    geo: None,
};

/// Data of the store: that of the plugin among the host's own.
struct Data {
    calls: usize,
    plugin: PluginCtx,
}

impl PluginView for Data {
    fn plugin(&mut self) -> &mut PluginCtx {
        &mut self.plugin
    }
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.plugin.ctx()
    }
}

struct Host {
    store: Store<Data>,
    exports: EdgeCachePlugin,
}

type Enabled = std::result::Result<(EdgeCacheNode, PublishedLabels), EdgeCacheError>;

impl Host {
    /// Starts an instance and loads nothing.
    fn start(component: &Component, config: &PluginConfig) -> Result<Self> {
        let mut linker = Linker::new(component.engine());
        add_to_linker(&mut linker)?;
        add_wasi_to_linker(&mut linker)?;
        add_wasi_http_to_linker(&mut linker, component)?;
        let plugin = PluginCtx::new(config, InstanceConfig::detached(config));
        let mut store = Store::new(component.engine(), Data { calls: 0, plugin });
        InstanceLimits::apply(&mut store);
        let exports = EdgeCachePlugin::instantiate(&mut store, component, &linker)?;
        let state = exports.zlayer_edge_cache_state();
        let loaded = LabelStage::during(&mut store, |store| state.call_load(store, &[]))?;
        loaded.map_err(Error::msg)?;
        Ok(Self { store, exports })
    }

    fn enable(&mut self, node_id: NodeId, capacity: &NodeCapacity) -> Result<Enabled> {
        self.store.data_mut().calls += 1;
        let registry = self.exports.zlayer_edge_cache_registry();
        LabelStage::during(&mut self.store, |store| {
            registry.call_enable(store, node_id, capacity)
        })
    }
}

fn reference() -> Result<Component> {
    let bytes = reference_bytes().map_err(Error::msg)?;
    Component::new(&Engine::default(), bytes)
}

/// The hostile guest, compiled once, with a configuration that tells it to do this.
fn misbehaving(behaviour: &str, limits: Limits) -> Result<Host> {
    static HOSTILE: LazyLock<Result<Component>> = LazyLock::new(|| {
        let file = hostile().map_err(Error::msg)?;
        Component::from_file(&Engine::default(), file)
    });
    let component = HOSTILE.as_ref().map_err(Error::msg)?;
    let config = PluginConfig {
        limits,
        settings: [("behaviour".to_string(), behaviour.to_string())].into(),
        ..PluginConfig::default()
    };
    Host::start(component, &config)
}

/// The labels that an answer came with, if it is no error.
fn published(enabled: &Enabled) -> std::result::Result<Vec<NodeId>, String> {
    let enabled = enabled.as_ref().map_err(|error| format!("{error:?}"));
    enabled.map(|(_, labels)| labels.keys().copied().collect())
}

#[test]
fn a_call_gives_its_labels_and_the_settings_of_the_host_hold() -> Result<()> {
    let mut host = Host::start(&reference()?, &PluginConfig::default())?;
    let (node, published) = host.enable(OTHER, &SOME)??;
    assert_eq!((node.node_id, host.store.data().calls), (OTHER, 1));
    let expected: Labels = labels([
        ("edge_cache", "true"),
        ("edge_cache_cpu", "1"),
        ("edge_cache_ram_mib", "1"),
        ("edge_cache_disk_mib", "1"),
    ]);
    assert_eq!(published, PublishedLabels::from([(OTHER, expected)]));
    assert!(host.enable(OTHER, &NOTHING)?.is_err());

    let settings = [("no-such-setting".to_string(), "1".to_string())].into();
    let config = PluginConfig {
        settings,
        ..PluginConfig::default()
    };
    let refused = Host::start(&reference()?, &config).err();
    let refused = refused.map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("no-such-setting"), "{refused}");
    Ok(())
}

#[test]
fn labels_of_a_call_that_answers_an_error_are_discarded() -> Result<()> {
    let mut host = misbehaving("publish@enable", Limits::default())?;
    let enabled = host.enable(TRIGGER, &SOME)?;
    assert_snapshot!(published(&enabled).unwrap_err(), @r#"EdgeCacheError::Gossip("taken")"#);
    // The next call begins with none.
    assert_eq!(published(&host.enable(OTHER, &SOME)?), Ok(vec![OTHER]));
    Ok(())
}

#[test]
fn labels_of_a_call_that_traps_are_discarded() -> Result<()> {
    let mut host = misbehaving("publish-then-trap@enable", Limits::default())?;
    assert!(host.enable(TRIGGER, &SOME).is_err());
    Ok(())
}

#[test]
fn a_key_that_is_not_granted_is_denied() -> Result<()> {
    let config = PluginConfig {
        labels: LabelGrants::from_iter(["cdn"]),
        ..PluginConfig::default()
    };
    let mut host = Host::start(&reference()?, &config)?;
    let enabled = host.enable(OTHER, &SOME)?;
    assert_snapshot!(published(&enabled).unwrap_err(), @r#"EdgeCacheError::Gossip("denied: key `edge_cache` is not granted; granted are `cdn` and `cdn_*`")"#);
    Ok(())
}

#[test]
fn outside_of_a_stage_labels_are_denied() -> Result<()> {
    let mut host = Host::start(&reference()?, &PluginConfig::default())?;
    let registry = host.exports.zlayer_edge_cache_registry();
    let enabled = registry.call_enable(&mut host.store, OTHER, &SOME)?;
    assert_snapshot!(format!("{:?}", enabled.unwrap_err()), @r#"EdgeCacheError::Gossip("denied: labels are published from enable, disable, load and apply only")"#);
    Ok(())
}

#[test]
fn memory_beyond_the_limit_is_refused() -> Result<()> {
    let limits = Limits {
        memory_bytes: 4 * 1024 * 1024,
        ..Limits::default()
    };
    let mut host = misbehaving("grow@enable", limits.clone())?;
    assert!(host.enable(TRIGGER, &SOME).is_err());
    let used = host.store.data().plugin.memory_bytes();
    assert!(used <= limits.memory_bytes, "{used} bytes");
    assert!(used > limits.memory_bytes / 2, "{used} bytes");

    // The memory that a component begins with counts too.
    let small = Limits {
        memory_bytes: 64 * 1024,
        ..Limits::default()
    };
    assert!(misbehaving("", small).is_err());
    Ok(())
}

#[test]
fn handles_beyond_the_limit_are_refused() -> Result<()> {
    let mut host = misbehaving("handles@enable", Limits::default())?;
    assert!(host.enable(TRIGGER, &SOME).is_err());
    Ok(())
}

#[test]
fn more_data_than_a_call_may_hand_over_is_refused() -> Result<()> {
    let mut host = misbehaving(
        "huge@enable",
        Limits {
            memory_bytes: 256 * 1024 * 1024,
            ..Limits::default()
        },
    )?;
    let error = host.enable(TRIGGER, &SOME).unwrap_err();
    assert_snapshot!(error.root_cause(), @"too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted");
    Ok(())
}

#[test]
fn a_wait_fails_at_once() -> Result<()> {
    let mut host = misbehaving("nap@enable", Limits::default())?;
    let error = host.enable(TRIGGER, &SOME).unwrap_err();
    assert_snapshot!(error.root_cause(), @"wasi:io/poll would wait for longer than the call may take");
    Ok(())
}

#[test]
fn the_lines_of_the_plugin_are_there_after_a_failure() -> Result<()> {
    let mut host = misbehaving("say-trap@enable", Limits::default())?;
    assert!(host.enable(TRIGGER, &SOME).is_err());
    let lines = host.store.data().plugin.take_lines();
    assert_eq!(lines, ["logged", "printed", "unfinish"]);
    Ok(())
}

#[test]
fn the_example_is_short_and_needs_released_crates_alone() {
    let example = include_str!("../../host/sandbox/examples/own_host/main.rs");
    assert!(example.lines().count() <= 60);
    assert!(!include_str!("../../Cargo.toml").contains("[patch"));
    let lock = include_str!("../../Cargo.lock");
    let wasmtime: Vec<_> = lock
        .split("[[package]]")
        .filter(|package| package.contains("name = \"wasmtime"))
        .collect();
    assert!(wasmtime.len() > 3, "{wasmtime:?}");
    for package in wasmtime {
        assert!(package.contains("source = \"registry+"), "{package}");
    }
}
