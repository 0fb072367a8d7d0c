//! The examination of a plugin: a start, the samples that its policy accepts, the checks, and the costs.
//!
//! A plugin that fails ends no more than one check: each check has instances of its own, and every call has
//! a deadline.

use edge_cache_core::{EdgeCacheError, NodeCapacity, text};
use edge_cache_sandbox::Plugin;
use serde::Serialize;

use crate::check::{Check, Factory, Report, Settings, VIOLATION_BYTES_MAX, Verdict, run};
use crate::describe::Describe;
use crate::fixture::fresh;
use crate::measure::{self, Costs};
use crate::plugin::PluginUnderTest;
use crate::registry::{RegistryUnderTest, Violation};
use crate::samples::Samples;

const STARTS: Check = Check {
    name: "starts",
    requirement: "a fresh instance starts and takes the load of nothing",
    skip_reason: None,
    run: |factory| fresh(factory).map(drop),
};

/// Result of examining a plugin.
#[derive(Debug, Serialize)]
pub struct Examination {
    /// Report of each check, in the order in which they ran.
    #[serde(rename = "checks")]
    pub reports: Vec<Report>,
    /// Answer of the plugin's policy to each sample.
    pub samples: Vec<SampleReport>,
    /// Measured costs; absent if a call failed.
    pub costs: Option<Costs>,
}

/// Answer of a policy to a sample.
#[derive(Debug, Serialize)]
pub struct SampleReport {
    /// Sample capacity.
    pub capacity: NodeCapacity,
    /// Reason of the policy's refusal, if it refuses the sample. The checks then leave the sample out.
    pub refusal: Option<String>,
}

impl Examination {
    /// Returns true if no check failed.
    pub fn passes(&self) -> bool {
        self.reports
            .iter()
            .all(|report| report.violation().is_none())
    }

    /// Reports all checks as skipped, after those reports that precede them.
    pub fn without_checks(
        mut reports: Vec<Report>,
        samples: Vec<SampleReport>,
        checks: &[Check],
        reason: &str,
    ) -> Self {
        let skipped = || Verdict::Skipped(reason.to_string());
        reports.extend(checks.iter().map(|check| check.with(skipped())));
        reports.push(measured(skipped()));
        Self {
            reports,
            samples,
            costs: None,
        }
    }
}

/// Runs `checks` against a plugin, with those `samples` that its policy accepts, and measures its calls.
///
/// Blocks for seconds, and longer for a plugin that hangs: up to a deadline for each check.
pub fn examine(plugin: &Plugin, samples: &Samples, checks: &[Check]) -> Examination {
    let registries = factory(plugin, samples);
    let starts = STARTS.report(&registries);
    if starts.violation().is_some() {
        return Examination::without_checks(vec![starts], Vec::new(), checks, "it does not start");
    }

    let (probed, verdict) = probe(samples, &registries);
    let accepted = probed.iter().filter(|sample| sample.refusal.is_none());
    let accepted = Samples::new(accepted.map(|sample| sample.capacity.clone()).collect());
    let mut reports = vec![
        starts,
        Report {
            name: "samples",
            requirement: "a node is enabled with at least one of the samples",
            verdict,
        },
    ];
    let Ok(accepted) = accepted else {
        return Examination::without_checks(reports, probed, checks, "its policy takes no sample");
    };
    reports.extend(run(checks, &factory(plugin, &accepted)));
    let costs = measure::measure(plugin, &accepted);
    let verdict = costs.as_ref().map(drop).map_err(Violation::clone).into();
    reports.push(measured(verdict));
    Examination {
        reports,
        samples: probed,
        costs: costs.ok(),
    }
}

/// Makes fresh instances of a plugin, with the given settings in place of its own where there are any.
fn factory<'a>(
    plugin: &'a Plugin,
    samples: &'a Samples,
) -> impl Fn(&Settings) -> Result<Box<dyn RegistryUnderTest>, Violation> + 'a {
    move |settings| {
        let mut registry = if settings.is_empty() {
            PluginUnderTest::start(plugin)?
        } else {
            PluginUnderTest::start(&plugin.with_settings(settings.clone()))?
        };
        registry.samples = samples.clone();
        Ok(Box::new(registry))
    }
}

fn measured(verdict: Verdict) -> Report {
    Report {
        name: "measured",
        requirement: "its calls succeed, and are measured, with many entries",
        verdict,
    }
}

/// Enables a node with each sample, each on a fresh instance.
///
/// A sample on which the plugin fails is kept, so that the checks show the failure.
fn probe(samples: &Samples, factory: &Factory<'_>) -> (Vec<SampleReport>, Verdict) {
    let refusal = |capacity| match fresh(factory)?.enable(1, capacity)? {
        Ok(_) => Ok(None),
        Err(EdgeCacheError::InvalidCapacity(reason)) => Ok(Some(reason)),
        Err(error) => Err(format!(
            "enable must succeed or be invalid-capacity, found {}",
            error.describe()
        )),
    };
    let mut failed = None;
    let mut probed = Vec::new();
    for (number, capacity) in (1..).zip(samples.all()) {
        let refusal = refusal(capacity).unwrap_or_else(|violation| {
            let sample = capacity.describe();
            failed.get_or_insert_with(|| format!("with sample {number}, {sample}: {violation}"));
            None
        });
        probed.push(SampleReport {
            capacity: capacity.clone(),
            refusal: refusal.map(|reason| text::clean(&reason, VIOLATION_BYTES_MAX)),
        });
    }
    let refusals: Vec<&String> = probed
        .iter()
        .filter_map(|one| one.refusal.as_ref())
        .collect();
    let found = match (failed, refusals.first()) {
        (Some(violation), _) => Err(violation),
        (None, Some(first)) if refusals.len() == probed.len() => Err(format!(
            "its policy refuses all {} samples, the first because: {first}; give capacities that it \
             takes with `--sample FILE`",
            probed.len()
        )),
        _ => Ok(()),
    };
    (probed, found.into())
}
