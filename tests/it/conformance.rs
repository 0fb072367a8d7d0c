//! One suite, two subjects: the component in the sandbox, and its core as a plain value.

use edge_cache_host::conformance::{
    CONTRACT, Check, ComponentSubject, Factory, REFERENCE, Settings, Subject, run,
};
use edge_cache_host::sandbox::PluginConfig;
use edge_cache_tests::component::{reference_plugin, reference_plugin_with};
use edge_cache_tests::native::NativeSubject;

fn expect_all(checks: &[Check], factory: &Factory<'_>) {
    let broken: Vec<String> = run(checks, factory)
        .into_iter()
        .filter_map(|report| {
            let reason = report.broken?;
            Some(format!(
                "{}: {}\n    but {reason}",
                report.name, report.what
            ))
        })
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn native(settings: &Settings) -> Result<Box<dyn Subject>, String> {
    Ok(Box::new(NativeSubject::new(settings)))
}

fn component(settings: &Settings) -> Result<Box<dyn Subject>, String> {
    let plugin = if settings.is_empty() {
        reference_plugin()
    } else {
        reference_plugin_with(PluginConfig {
            settings: settings.clone(),
            ..PluginConfig::default()
        })
    };
    let plugin = plugin.map_err(|error| format!("{error:#}"))?;
    Ok(Box::new(ComponentSubject::start(&plugin)?))
}

#[test]
fn the_native_core_keeps_the_contract() {
    expect_all(CONTRACT, &native);
}

#[test]
fn the_native_core_decides_as_the_reference() {
    expect_all(REFERENCE, &native);
}

#[test]
fn the_component_keeps_the_contract() {
    expect_all(CONTRACT, &component);
}

#[test]
fn the_component_decides_as_the_reference() {
    expect_all(REFERENCE, &component);
}
