//! The hostile guest: built and compiled once, told what to do, and run under limits that suit a case.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Result;
use edge_cache_host::Limits;
use edge_cache_host::sandbox::{
    CodeCache, Digests, GuestLog, Instance, InstanceConfig, Plugin, PluginConfig,
};
use edge_cache_tests::component::hostile;

use super::{OWN, watch_memory};

/// The hostile guest, told to do this.
pub(crate) fn plugin(behaviour: &str, limits: Limits) -> Result<Plugin> {
    watch_memory()?;
    let bytes = std::fs::read(hostile()?)?;
    let settings = BTreeMap::from([("behaviour".to_string(), behaviour.to_string())]);
    let config = PluginConfig {
        limits,
        settings,
        cache: Some(code_cache()),
        ..PluginConfig::default()
    };
    Ok(Plugin::from_bytes(&bytes, config)?)
}

/// So that the guest is compiled once for all cases.
fn code_cache() -> CodeCache {
    #[derive(Debug, Default)]
    struct Known(Mutex<BTreeMap<String, [u8; 32]>>);
    impl Digests for Known {
        fn get(&self, name: &str) -> Option<[u8; 32]> {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(name).copied()
        }
        fn put(&self, name: &str, digest: [u8; 32], _: &BTreeSet<String>) -> Result<(), String> {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(name.to_string(), digest);
            Ok(())
        }
    }
    static KNOWN: OnceLock<Arc<Known>> = OnceLock::new();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    CodeCache::new(directory, KNOWN.get_or_init(Arc::default).clone())
}

/// The default limits, with the shorter deadline of calls in proportion to the registry that lets a hanging
/// one be over soon.
pub(super) fn hasty() -> Limits {
    Limits {
        load_deadline: Duration::from_millis(250),
        ..Limits::default()
    }
}

/// Limits under which a guest has the time and the memory to make what is too large to hand over.
pub(super) fn roomy() -> Limits {
    Limits {
        memory_bytes: 256 * 1024 * 1024,
        call_deadline: Duration::from_secs(20),
        load_deadline: Duration::from_secs(20),
        ..Limits::default()
    }
}

/// A fresh instance outside any registry, on node [`OWN`], with its log.
pub(super) fn instance(plugin: &Plugin) -> Result<(Instance, Arc<GuestLog>)> {
    let mut config = InstanceConfig::detached(plugin.config());
    config.policy.node = Some(OWN);
    let log = config.log.clone();
    Ok((Instance::start(plugin, config)?, log))
}
