//! The examination of a plugin: a start, the samples that its policy accepts, the checks, and the costs.
//!
//! A plugin that fails ends no more than one check: each check has instances of its own, and every call has
//! a deadline.

use edge_cache_core::{EdgeCacheError, NodeCapacity};
use edge_cache_sandbox::Plugin;

use crate::check::{Check, Report, Settings, Verdict, run};
use crate::describe::Describe;
use crate::fixture::{at, load_empty};
use crate::measure::{self, Costs};
use crate::plugin::PluginUnderTest;
use crate::registry::{RegistryUnderTest, Violation};
use crate::samples::Samples;

const STARTS: Check = Check {
    name: "starts",
    requirement: "a fresh instance starts and takes the load of nothing",
    skip_reason: None,
    run: |factory| factory(&Settings::new()).and_then(|mut registry| load_empty(&mut *registry)),
};

/// Result of examining a plugin.
#[derive(Debug)]
pub struct Examination {
    /// Report of each check, in the order in which they ran.
    pub reports: Vec<Report>,
    /// Answer of the plugin's policy to each sample.
    pub samples: Vec<SampleReport>,
    /// Measured costs; absent if a call failed.
    pub costs: Option<Costs>,
}

/// Answer of a policy to a sample.
#[derive(Debug)]
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
        reports.extend(checks.iter().map(|check| check.report(skipped())));
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
    let registry = |settings: &Settings, samples: &Samples| {
        let plugin = if settings.is_empty() {
            plugin.clone()
        } else {
            plugin.with_settings(settings.clone())
        };
        let registry = PluginUnderTest::start(&plugin)?.with_samples(samples.clone());
        Ok(Box::new(registry) as Box<dyn RegistryUnderTest>)
    };
    let starts = STARTS.report(STARTS.verdict(&|settings: &Settings| registry(settings, samples)));
    if starts.violation().is_some() {
        return Examination::without_checks(vec![starts], Vec::new(), checks, "it does not start");
    }

    let (probed, verdict) = probe(samples, &|| registry(&Settings::new(), samples));
    let accepted: Vec<_> = probed
        .iter()
        .filter(|sample| sample.refusal.is_none())
        .map(|sample| sample.capacity.clone())
        .collect();
    let mut reports = vec![
        starts,
        Report {
            name: "samples",
            requirement: "a node is enabled with at least one of the samples",
            verdict,
        },
    ];
    let Ok(accepted) = Samples::new(accepted) else {
        return Examination::without_checks(reports, probed, checks, "its policy takes no sample");
    };
    reports.extend(run(checks, &|settings: &Settings| {
        registry(settings, &accepted)
    }));
    let (costs, verdict) = match measure::measure(plugin, &accepted) {
        Ok(costs) => (Some(costs), Verdict::Passed),
        Err(violation) => (None, Verdict::Failed(violation)),
    };
    reports.push(measured(verdict));
    Examination {
        reports,
        samples: probed,
        costs,
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
fn probe(
    samples: &Samples,
    fresh: &dyn Fn() -> Result<Box<dyn RegistryUnderTest>, Violation>,
) -> (Vec<SampleReport>, Verdict) {
    let mut failed = None;
    let probed: Vec<_> = samples
        .all()
        .iter()
        .map(|capacity| {
            let answer = fresh().and_then(|mut registry| {
                registry.set_time(at(0));
                load_empty(&mut *registry)?;
                registry.enable(1, capacity)
            });
            let refusal = match answer {
                Ok(Ok(_)) => None,
                Ok(Err(EdgeCacheError::InvalidCapacity(reason))) => Some(reason),
                Ok(Err(error)) => {
                    failed.get_or_insert(format!(
                        "enable must succeed or be invalid-capacity, found {}",
                        error.describe()
                    ));
                    None
                }
                Err(violation) => {
                    failed.get_or_insert(violation);
                    None
                }
            };
            SampleReport {
                capacity: capacity.clone(),
                refusal,
            }
        })
        .collect();
    let verdict = match (failed, probed.iter().find_map(|one| one.refusal.clone())) {
        (Some(violation), _) => Verdict::Failed(violation),
        (None, Some(refusal)) if probed.iter().all(|one| one.refusal.is_some()) => {
            Verdict::Failed(format!(
                "its policy refuses all {} samples, the first because: {refusal}; give capacities that it \
                 takes with `--sample FILE`",
                probed.len()
            ))
        }
        _ => Verdict::Passed,
    };
    (probed, verdict)
}
