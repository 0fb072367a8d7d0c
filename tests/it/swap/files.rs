//! A plugin's file that changes while the agent runs, or stays as it was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_cache_agent::plugin_manager::{
    Offer, PluginManager, Pull, Reload, ReplaceError, Replacement, UPLOADS_MAX,
};
use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::sandbox::{CodeCache, Digests, Plugin, PluginConfig};
use edge_cache_tests::agent::{Agent, compiler};
use edge_cache_tests::component::{reference_bytes, sha256, with_section};
use edge_cache_tests::wait::until;
use futures_util::future::join_all;

use super::SEEN_WITHIN;

#[tokio::test]
async fn a_changed_file_is_taken_in_on_sighup() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("registry.wasm");
    let first = reference_bytes().unwrap();
    std::fs::write(&file, first).unwrap();
    let agent = Agent::start(&[
        "--node-id",
        "1",
        "--allow-local-admin",
        "--plugin",
        file.to_str().unwrap(),
    ])
    .await
    .unwrap();
    let shows = async |digest: &str| {
        until("the component", SEEN_WITHIN, || async {
            let shown = agent.get("/api/v1/plugin").await.unwrap();
            if shown["sha256"] == digest {
                Ok(())
            } else {
                Err(shown)
            }
        })
        .await;
    };
    shows(&sha256(first)).await;
    // One that is none changes nothing; the next is taken.
    std::fs::write(&file, b"nothing").unwrap();
    agent.hang_up().unwrap();
    let second = with_section(first, "note", b"2");
    std::fs::write(&file, &second).unwrap();
    until("the second component", SEEN_WITHIN, || async {
        agent.hang_up().unwrap();
        let shown = agent.get("/api/v1/plugin").await.unwrap();
        let digest = sha256(&second);
        if shown["sha256"] == digest {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_as_it_was_does_not_undo_a_swap() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("registry.wasm");
    let versions = [b"1", b"2", b"3"];
    let versions = versions.map(|n| with_section(reference_bytes().unwrap(), "note", n));
    std::fs::write(&file, &versions[0]).unwrap();
    let config = PluginConfig::default();
    let (plugins, first) = PluginManager::of_file(config, Some(file.clone()), compiler().unwrap())
        .await
        .unwrap();
    let registry = EdgeCacheRegistry::builder(first).start().await.unwrap();
    let reload = async || {
        let reloaded = plugins.reload(&registry, Pull::Remembered).await;
        reloaded.unwrap()
    };
    let runs = |version: &[u8]| {
        let plugin = registry.plugin();
        assert_eq!(
            *plugin.sha256(),
            *Plugin::from_bytes(version, PluginConfig::default())
                .unwrap()
                .sha256()
        );
    };
    assert_eq!(reload().await, Reload::Unchanged);
    runs(&versions[0]);
    let upload = || Replacement {
        plugin: Offer::Upload(versions[1].clone().into(), None),
        sha256: None,
        settings: None,
    };
    // They take turns, as many as may wait.
    let uploads = (0..=UPLOADS_MAX).map(|_| plugins.replace(&registry, upload()));
    let (replaced, refused): (Vec<_>, Vec<_>) =
        join_all(uploads).await.into_iter().partition(Result::is_ok);
    assert_eq!(replaced.len(), UPLOADS_MAX);
    assert!(
        matches!(refused[..], [Err(ReplaceError::Busy)]),
        "{refused:?}"
    );
    assert_eq!(reload().await, Reload::Unchanged);
    assert!(!plugins.plugins().is_declared());
    runs(&versions[1]);
    std::fs::write(&file, &versions[2]).unwrap();
    assert_eq!(reload().await, Reload::Replaced);
    assert!(plugins.plugins().is_declared());
    runs(&versions[2]);
}

/// A cache's digests that count how often they are asked for.
#[derive(Debug, Default)]
struct Asked(AtomicU64);

impl Digests for Asked {
    fn get(&self, _: &str) -> Option<[u8; 32]> {
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn put(&self, _: &str, _: [u8; 32], _: &BTreeSet<String>) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_as_it_was_is_not_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("registry.wasm");
    std::fs::write(&file, reference_bytes().unwrap()).unwrap();
    let asked = Arc::new(Asked::default());
    let config = PluginConfig {
        cache: Some(CodeCache::new(directory.path().join("code"), asked.clone())),
        ..PluginConfig::default()
    };
    let (plugins, first) = PluginManager::of_file(config, Some(file.clone()), compiler().unwrap())
        .await
        .unwrap();
    let registry = EdgeCacheRegistry::builder(first).start().await.unwrap();
    let loads = || asked.0.load(Ordering::Relaxed);
    assert_eq!(loads(), 1);
    plugins.reload(&registry, Pull::Remembered).await.unwrap();
    plugins.reload(&registry, Pull::Remembered).await.unwrap();
    assert_eq!(loads(), 1);
    let second = with_section(reference_bytes().unwrap(), "note", b"2");
    std::fs::write(&file, &second).unwrap();
    plugins.reload(&registry, Pull::Remembered).await.unwrap();
    plugins.reload(&registry, Pull::Remembered).await.unwrap();
    assert_eq!(loads(), 2);
}
