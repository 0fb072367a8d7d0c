//! Policies: what `plugin compose` makes of them, and the plugins of a policy and the reference.

mod projects;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use edge_cache_conformance::{
    CONTRACT, PluginUnderTest, RegistryUnderTest, Report, Settings, counters, entry, run,
};
use edge_cache_core::{Change, Limits};
use edge_cache_host::Entry;
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_tests::agent::run_within;
use edge_cache_tests::cluster_of_one::{ClusterOfOne, OWN, capacity, capacity_in, entries, labels};
use edge_cache_tests::component::{PATIENCE, policy, reference_plugin};
use edge_cache_tests::dummy::{dummy, dummy_of, dummy_policy};
use edge_cache_tests::policies::{COMPOSED_WITHIN, composed};
use edge_cache_tests::reference_checks::REFERENCE;
use insta::assert_snapshot;
use tempfile::TempDir;

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not text")
}

async fn plugin(mode: &str) -> Result<Plugin> {
    let folder = TempDir::new()?;
    let mut config = PluginConfig::default();
    config.limits = Limits {
        call_deadline: PATIENCE,
        load_deadline: PATIENCE,
        ..config.limits
    };
    let plugin = Plugin::from_file(&composed(policy()?, folder.path()).await?, config)?;
    let settings = [("policy.mode".to_string(), mode.to_string())];
    Ok(plugin.with_settings(settings.into()))
}

/// Returns the error of `plugin compose` for a file that is no policy, after which nothing is written.
async fn refusal(bytes: &[u8]) -> Result<String> {
    let folder = TempDir::new()?;
    let file = folder.path().join("policy.wasm");
    std::fs::write(&file, bytes)?;
    let path = text(&file)?;
    let ended = run_within(&["plugin", "compose", path], COMPOSED_WITHIN).await?;
    ensure!(
        ended.code == Some(2) && ended.stdout.is_empty(),
        "{ended:?}"
    );
    ensure!(std::fs::read_dir(folder.path())?.count() == 1);
    let prefix = format!("edge-cache-agent: cannot use the policy {path}: ");
    let reason = ended.stderr.trim_end().strip_prefix(&prefix);
    Ok(reason.with_context(|| ended.stderr.clone())?.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_admits_all_changes_nothing() -> Result<()> {
    let plugin = plugin("open").await?;
    let subject = |settings: &Settings| -> Result<Box<dyn RegistryUnderTest>, String> {
        let plugin = plugin.with_settings(settings.clone());
        Ok(Box::new(PluginUnderTest::start(&plugin)?))
    };
    let checks: Vec<_> = CONTRACT.iter().chain(REFERENCE).copied().collect();
    let reports = tokio::task::block_in_place(|| run(&checks, &subject));
    let is_broken = |report: &&Report| report.violation().is_some();
    let broken: Vec<&Report> = reports.iter().filter(is_broken).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_policy_is_refused_with_the_reason() -> Result<()> {
    assert_snapshot!(refusal(b"\0asm\x01\0\0\0").await?, @"the policy is a WebAssembly core module, not a component; it must be a WebAssembly component");
    assert_snapshot!(refusal(b"policy").await?, @"the policy is no WebAssembly; it must be a WebAssembly component");
    let whole = dummy_policy(str::to_string)?;
    assert_snapshot!(refusal(whole.get(..whole.len() / 2).context("short")?).await?, @"the policy is not a valid component: unexpected end-of-file (at offset 0x91a)");
    assert_snapshot!(refusal(&dummy()?).await?, @"the component does not export `zlayer:edge-cache-policy/policy@0.1.0`; it exports `zlayer:edge-cache/registry@0.1.0`, `zlayer:edge-cache/state@0.1.0`, `zlayer:edge-cache/placement@0.1.0`");
    let none = dummy_of("package tests:none; world none { export run: func(); }")?;
    assert_snapshot!(refusal(&none).await?, @"the component does not export `zlayer:edge-cache-policy/policy@0.1.0`; it exports `run`");
    Ok(())
}

#[tokio::test]
async fn the_composable_form_alone_is_refused_with_what_to_do() -> Result<()> {
    let composable = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../plugin/reference/out/edge-cache-composable.wasm"
    );
    let ended = run_within(&["plugin", "inspect", composable], COMPOSED_WITHIN).await?;
    ensure!(ended.code == Some(1), "{ended:?}");
    let said =
        "a policy has, and no host: `plugin compose` makes a plugin of this one and a policy";
    ensure!(format!("{ended:?}").contains(said), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_policy_with_a_function_that_differs_is_refused_with_its_name() -> Result<()> {
    let edited = async |from: &str, to: &str| -> Result<String> {
        let policy = dummy_policy(|text| text.replace(from, to))?;
        ensure!(
            policy != dummy_policy(str::to_string)?,
            "nothing says {from}"
        );
        refusal(&policy).await
    };
    assert_snapshot!(edited("admit: func", "allow: func").await?, @"the policy does not export the function `admit` of `zlayer:edge-cache-policy/policy@0.1.0`; it exports `allow`, `assess`");
    assert_snapshot!(edited("-> option<candidate>", "-> candidate").await?, @"the policy's function `assess` has another signature than `zlayer:edge-cache-policy/policy@0.1.0` asks: mismatched type for function result: expected option, found record");
    assert_snapshot!(edited("weight: u32", "weight: u64").await?, @"the policy's function `assess` has another signature than `zlayer:edge-cache-policy/policy@0.1.0` asks: mismatched type for function parameter `default`: mismatched type for option: mismatched type for record field `weight`: expected u32, found u64");
    assert_snapshot!(edited("result<node-capacity, string>", "result<node-capacity, u32>").await?, @"the policy's function `admit` has another signature than `zlayer:edge-cache-policy/policy@0.1.0` asks: mismatched type for function result: mismatched type for result `err`: expected string, found u32");
    assert_snapshot!(edited("edge-cache-policy@0.1.0", "edge-cache-policy@0.2.0").await?, @"the component does not export `zlayer:edge-cache-policy/policy@0.1.0`; it exports `zlayer:edge-cache-policy/policy@0.2.0`");
    let missing = "  admit: func(node-id: node-id, capacity: node-capacity) -> result<node-capacity, string>;\n";
    let since = "  @since(version = 0.1.0)\n";
    assert_snapshot!(edited(&format!("{since}{missing}"), "").await?, @"the policy does not export the function `admit` of `zlayer:edge-cache-policy/policy@0.1.0`; it exports `assess`");
    Ok(())
}

#[tokio::test]
async fn a_policy_decides_about_registrations_and_traffic_alone() -> Result<()> {
    let node = ClusterOfOne::start(reference_plugin()?, labels([])).await?;
    let registry = &node.registry;
    registry.enable(OWN, capacity()).await?;
    registry.enable(7, capacity_in("eu")).await?;
    let before: Vec<Entry> = entries(registry);
    // A policy that refuses all takes what there is.
    registry.swap(plugin("closed").await?).await?;
    assert_eq!(entries(registry), before);
    let refused = registry.enable(8, capacity()).await.unwrap_err();
    assert_snapshot!(refused, @"invalid capacity: node 8 is not wanted");
    assert_eq!(entries(registry), before);
    // One that changes capacities does so at registrations alone.
    registry.swap(plugin("change").await?).await?;
    assert_eq!(entries(registry), before);
    let changed = registry.enable(8, capacity()).await?;
    assert_eq!(changed.capacity.cpu_cores, 1);
    let refused = registry.enable(13, capacity()).await.unwrap_err();
    assert_snapshot!(refused, @"invalid capacity: geo must be 1 to 64 bytes, got 0");
    assert_eq!(registry.status().restarts, 0);
    // One that panics ends its instance, and nothing is lost.
    registry.swap(plugin("panic").await?).await?;
    let failed = registry
        .enable(9, capacity())
        .await
        .unwrap_err()
        .to_string();
    assert!(failed.contains("no mind to admit"), "{failed}");
    assert_eq!(entries(registry).len(), 3);
    Ok(())
}

#[tokio::test]
async fn entries_and_decisions_of_others_are_taken_as_they_are() -> Result<()> {
    let closed = plugin("closed").await?;
    let mut subject = PluginUnderTest::start(&closed).map_err(anyhow::Error::msg)?;
    let mut all = vec![
        entry(2, capacity(), counters(1, 2)),
        entry(7, capacity_in("eu"), counters(0, 0)),
    ];
    let loaded = subject.load(&all).map_err(anyhow::Error::msg)?;
    assert_eq!(loaded, Ok(()));
    all.push(entry(9, capacity(), counters(3, 4)));
    let changes = [Change::Put(all[2].clone()), Change::Remove(7)];
    let applied = subject.apply(&changes).map_err(anyhow::Error::msg)?;
    assert_eq!(applied, Ok(()));
    all.remove(1);
    let nodes = all.into_iter().map(|entry| entry.node).collect();
    assert_eq!(subject.list_eligible(), Ok(nodes));
    assert_eq!(
        subject.labels(9).get("edge_cache").map(String::as_str),
        Some("true")
    );
    Ok(())
}

#[tokio::test]
async fn a_plugin_whose_policy_has_a_wrong_setting_is_refused() -> Result<()> {
    let node = ClusterOfOne::start(reference_plugin()?, labels([])).await?;
    let refused = node.registry.swap(plugin("ajar").await?).await;
    let refused = refused.unwrap_err().to_string();
    let reason = r#"setting "policy.mode" is not "ajar""#;
    assert!(refused.contains(reason), "{refused}");
    node.registry.enable(7, capacity()).await?;
    Ok(())
}
