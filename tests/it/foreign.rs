//! Components in other languages, which know nothing but `wit/`: alone, and in a cluster.

mod cluster;
mod languages;

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use edge_cache_agent::run::runtime;
use edge_cache_conformance::{CONTRACT, PluginUnderTest, RegistryUnderTest, Settings, run};
use edge_cache_host::sandbox::{Plugin, PluginConfig, PluginFile};
use edge_cache_host::{EdgeCacheNode, EdgeCacheStats, Entry, Identity, Limits, Store};
use edge_cache_tests::agent::compiler;
use edge_cache_tests::bench::capacity;
use edge_cache_tests::foreign::{javascript, python};
use edge_cache_tests::long_tests;
use edge_cache_tests::reference_checks::REFERENCE;

#[test]
fn a_registry_in_python_keeps_the_contract_and_decides_as_the_reference() -> Result<()> {
    if !long_tests() {
        println!("skipped: EDGE_CACHE_LONG_TESTS=1 runs it");
        return Ok(());
    }
    python()?.map_or(Ok(()), is_a_registry)
}

#[test]
fn a_registry_in_javascript_keeps_the_contract_and_decides_as_the_reference() -> Result<()> {
    if !long_tests() {
        return Ok(());
    }
    javascript()?.map_or(Ok(()), is_a_registry)
}

/// Time in which a plugin with an engine in it is compiled on a busy machine.
const COMPILED_WITHIN: Duration = Duration::from_secs(600);
/// Time in which such a plugin loads the most nodes on a busy machine.
const LOADED_WITHIN: Duration = Duration::from_secs(60);

fn is_a_registry(component: &Path) -> Result<()> {
    let cache = Cache::new()?;
    keeps_the_contract(&cache, component)?;
    holds_the_most_nodes(&cache, component)
}

fn keeps_the_contract(cache: &Cache, component: &Path) -> Result<()> {
    let plugin = cache.plugin(component, &Settings::new())?;
    let factory = |settings: &Settings| -> Result<Box<dyn RegistryUnderTest>, String> {
        let plugin = if settings.is_empty() {
            plugin.clone()
        } else {
            cache
                .plugin(component, settings)
                .map_err(|error| format!("{error:#}"))?
        };
        Ok(Box::new(PluginUnderTest::start(&plugin)?))
    };
    let mut reports = run(CONTRACT, &factory);
    reports.extend(run(REFERENCE, &factory));
    let broken: Vec<String> = reports
        .into_iter()
        .filter_map(|report| Some(format!("{}: {}", report.name, report.violation()?)))
        .collect();
    ensure!(broken.is_empty(), "\n{}", broken.join("\n"));
    Ok(())
}

/// Listed twice, because the garbage of the first list takes memory too.
fn holds_the_most_nodes(cache: &Cache, component: &Path) -> Result<()> {
    let plugin = cache.plugin(component, &Settings::new())?;
    let nodes = u64::try_from(Limits::default().nodes_max)?;
    let entries: Vec<Entry> = (0..nodes).map(entry).collect();
    let mut subject = PluginUnderTest::start(&plugin).map_err(anyhow::Error::msg)?;
    let loaded = subject.load(&entries).map_err(anyhow::Error::msg)?;
    ensure!(loaded.is_ok(), "{loaded:?}");
    for round in 0..2 {
        let listed = subject.list_eligible().map_err(anyhow::Error::msg)?;
        let same = listed.iter().eq(entries.iter().map(|entry| &entry.node));
        ensure!(same, "round {round}: another list");
    }
    let last = entries.last().context("no entries")?;
    let enabled = subject.enable(nodes - 1, &last.node.capacity);
    ensure!(matches!(enabled, Ok(Ok(_))), "{enabled:?}");
    Ok(())
}

fn entry(node_id: u64) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: capacity(node_id),
            enabled_at: SystemTime::UNIX_EPOCH,
        },
        stats: EdgeCacheStats::default(),
    }
}

/// Compiled code, so that other settings cost no other compilation.
struct Cache {
    store: Store,
    _directory: tempfile::TempDir,
}

impl Cache {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let identity = Identity {
            node_id: None,
            cluster_id: "foreign".to_string(),
        };
        Ok(Self {
            store: Store::open(directory.path(), identity)?,
            _directory: directory,
        })
    }

    fn plugin(&self, component: &Path, settings: &Settings) -> Result<Plugin> {
        let config = PluginConfig {
            settings: settings.clone(),
            cache: Some(self.store.code_cache()),
            limits: Limits {
                compile_deadline: COMPILED_WITHIN,
                load_deadline: LOADED_WITHIN,
                ..Limits::default()
            },
            ..PluginConfig::default()
        };
        // Compiled in a child: the compiler of such a file would be the most that this process ever takes.
        let file = PluginFile::read(component, &config.limits)?;
        let compiler = compiler()?;
        let loading = Plugin::load_in_child(file, config, &compiler);
        Ok(runtime()?.block_on(loading)?)
    }
}
