//! Runs the suite on two subjects: the plugin in the sandbox, and its core as a plain value. Tests the suite
//! itself too: the defects that it finds and those that it misses.

mod defects;
mod policies;

use std::collections::BTreeSet;

use edge_cache_conformance::{
    CONTRACT, Check, Factory, PluginUnderTest, RegistryUnderTest, Report, Settings, Verdict, run,
};
use edge_cache_tests::component::reference_plugin;
use edge_cache_tests::native::NativeRegistry;
use edge_cache_tests::reference_checks::REFERENCE;

use defects::{CAUGHT_BY, Defective};
use policies::{Governed, Policy};

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

#[test]
fn a_registry_of_another_policy_keeps_the_contract_too() {
    for policy in [
        Policy::Frugal { disk_mib_max: 20 },
        Policy::Terse,
        Policy::Silent,
        Policy::Trusting,
    ] {
        let governed = |settings: &Settings| -> Result<Box<dyn RegistryUnderTest>, String> {
            Ok(Box::new(Governed::new(settings, policy)))
        };
        expect_all(CONTRACT, &governed);
        let other = run(REFERENCE, &governed);
        assert!(other.iter().any(is_broken), "{policy:?} is the reference's");
    }
}

#[test]
fn what_there_is_nothing_to_look_at_is_skipped_with_the_reason() {
    let silent = |settings: &Settings| -> Result<Box<dyn RegistryUnderTest>, String> {
        Ok(Box::new(Governed::new(settings, Policy::Silent)))
    };
    let skipped: Vec<(&str, String)> = run(CONTRACT, &silent)
        .into_iter()
        .filter_map(|report| match report.verdict {
            Verdict::Skipped(reason) => Some((report.name, reason)),
            _ => None,
        })
        .collect();
    let names = ["undo-enable", "undo-disable", "undo-load", "undo-half"];
    let reason = "it publishes no labels that could be refused";
    assert_eq!(skipped, names.map(|name| (name, reason.to_string())));
}

#[test]
fn every_defect_is_caught_by_the_check_that_is_there_for_it() {
    for &(defect, check) in CAUGHT_BY {
        let defective = |settings: &Settings| -> Result<Box<dyn RegistryUnderTest>, String> {
            Ok(Box::new(Defective::new(settings, defect)))
        };
        let broken: Vec<Report> = all_checks()
            .flat_map(|check| run(&[check], &defective))
            .filter(is_broken)
            .collect();
        assert!(
            broken.iter().any(|report| report.name == check),
            "{defect:?} must break {check}, broken are {broken:#?}"
        );
    }
}

#[test]
fn every_check_has_a_name_of_its_own_and_a_defect_that_it_is_there_for() {
    let names: Vec<&str> = all_checks().map(|check| check.name).collect();
    let caught_by: BTreeSet<&str> = CAUGHT_BY.iter().map(|&(_, check)| check).collect();
    assert_eq!(names.len(), caught_by.len());
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), caught_by);
}

fn native(settings: &Settings) -> Result<Box<dyn RegistryUnderTest>, String> {
    Ok(Box::new(NativeRegistry::new(settings)))
}

fn component(settings: &Settings) -> Result<Box<dyn RegistryUnderTest>, String> {
    let plugin = reference_plugin().map_err(|error| format!("{error:#}"))?;
    let plugin = plugin.with_settings(settings.clone());
    Ok(Box::new(PluginUnderTest::start(&plugin)?))
}

fn all_checks() -> impl Iterator<Item = Check> {
    CONTRACT.iter().chain(REFERENCE).copied()
}

fn is_broken(report: &Report) -> bool {
    report.violation().is_some()
}

fn expect_all(checks: &[Check], factory: &Factory<'_>) {
    let broken: Vec<String> = run(checks, factory)
        .into_iter()
        .filter_map(|report| {
            let reason = report.violation()?;
            Some(format!(
                "{}: {}\n    but {reason}",
                report.name, report.requirement
            ))
        })
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}
