//! A component examined as a whole: whether it starts, which samples its policy takes, the checks, and what
//! its calls cost.
//!
//! Whatever a component does, it ends one check at most: each has instances of its own, and every call has
//! its deadline.

use super::component::ComponentSubject;
use super::contract::at;
use super::measure::{self, Costs};
use super::samples::Samples;
use super::subject::{Broken, Subject};
use super::words::Words;
use super::{Check, Outcome, Report, Settings, run};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::NodeCapacity;
use edge_cache_sandbox::Plugin;

const STARTS: Check = Check {
    name: "starts",
    what: "a fresh instance starts and takes the load of nothing",
    inapplicable: super::never,
    run: |factory| factory(&Settings::new()).and_then(|mut subject| load_nothing(&mut *subject)),
};
const SAMPLES: &str = "samples";
const SAMPLES_WHAT: &str = "a node is enabled with at least one of the samples";
const MEASURED: &str = "measured";
const MEASURED_WHAT: &str = "its calls succeed, and are measured, with many entries";

/// What came of examining a component.
#[derive(Debug)]
pub struct Examination {
    /// What came of each check.
    pub reports: Vec<Report>,
    /// What the component's policy made of each sample.
    pub samples: Vec<SampleReport>,
    /// What its calls cost, where they could be measured.
    pub costs: Option<Costs>,
}

/// What a policy made of a sample.
#[derive(Debug)]
pub struct SampleReport {
    /// The capacity.
    pub capacity: NodeCapacity,
    /// Why the policy refuses it, if it does; the checks then do without it.
    pub refusal: Option<String>,
}

impl Examination {
    /// Whether nothing was found broken.
    pub fn passes(&self) -> bool {
        self.reports.iter().all(|report| report.broken().is_none())
    }
}

/// Examines a component with these checks, and with those of the samples that its policy takes.
///
/// Takes seconds, and for a component that hangs up to a deadline a check: not for an async thread.
pub fn examine(plugin: &Plugin, samples: &Samples, checks: &[Check]) -> Examination {
    let subject = |settings: &Settings, samples: &Samples| {
        let plugin = if settings.is_empty() {
            plugin.clone()
        } else {
            plugin.with_settings(settings.clone())
        };
        let subject = ComponentSubject::start(&plugin)?.with_samples(samples.clone());
        Ok(Box::new(subject) as Box<dyn Subject>)
    };
    let starts = STARTS.report(STARTS.look(&|settings: &Settings| subject(settings, samples)));
    if starts.broken().is_some() {
        return nothing_more(vec![starts], Vec::new(), checks, "it does not start");
    }

    let (probed, outcome) = probe(samples, &|| subject(&Settings::new(), samples));
    let taken: Vec<_> = probed
        .iter()
        .filter(|sample| sample.refusal.is_none())
        .map(|sample| sample.capacity.clone())
        .collect();
    let mut reports = vec![
        starts,
        Report {
            name: SAMPLES,
            what: SAMPLES_WHAT,
            outcome,
        },
    ];
    let Ok(taken) = Samples::new(taken) else {
        return nothing_more(reports, probed, checks, "its policy takes no sample");
    };
    reports.extend(run(checks, &|settings: &Settings| {
        subject(settings, &taken)
    }));
    let (costs, outcome) = match measure::measure(plugin, &taken) {
        Ok(costs) => (Some(costs), Outcome::Holds),
        Err(broken) => (None, Outcome::Broken(broken)),
    };
    reports.push(measured(outcome));
    Examination {
        reports,
        samples: probed,
        costs,
    }
}

/// What there is to say where the checks can't be run.
fn nothing_more(
    mut reports: Vec<Report>,
    samples: Vec<SampleReport>,
    checks: &[Check],
    reason: &str,
) -> Examination {
    let skipped = || Outcome::Skipped(reason.to_string());
    reports.extend(checks.iter().map(|check| check.report(skipped())));
    reports.push(measured(skipped()));
    Examination {
        reports,
        samples,
        costs: None,
    }
}

fn measured(outcome: Outcome) -> Report {
    Report {
        name: MEASURED,
        what: MEASURED_WHAT,
        outcome,
    }
}

/// Has a fresh instance enable a node with each sample. A sample that the component fails over is kept: what
/// it fails over is for the checks to show.
fn probe(
    samples: &Samples,
    fresh: &dyn Fn() -> Result<Box<dyn Subject>, Broken>,
) -> (Vec<SampleReport>, Outcome) {
    let mut failed = None;
    let probed: Vec<_> = samples
        .all()
        .iter()
        .map(|capacity| {
            let answer = fresh().and_then(|mut subject| {
                subject.set_time(at(0));
                load_nothing(&mut *subject)?;
                subject.enable(1, capacity)
            });
            let refusal = match answer {
                Ok(Ok(_)) => None,
                Ok(Err(EdgeCacheError::InvalidCapacity(reason))) => Some(reason),
                Ok(Err(error)) => {
                    failed.get_or_insert(format!(
                        "enable must succeed or be invalid-capacity, found {}",
                        error.words()
                    ));
                    None
                }
                Err(broken) => {
                    failed.get_or_insert(broken);
                    None
                }
            };
            SampleReport {
                capacity: capacity.clone(),
                refusal,
            }
        })
        .collect();
    let outcome = match (failed, probed.iter().find_map(|one| one.refusal.clone())) {
        (Some(broken), _) => Outcome::Broken(broken),
        (None, Some(refusal)) if probed.iter().all(|one| one.refusal.is_some()) => {
            Outcome::Broken(format!(
                "its policy refuses all {} samples, the first because: {refusal}; give capacities that it \
                 takes with `--sample FILE`",
                probed.len()
            ))
        }
        _ => Outcome::Holds,
    };
    (probed, outcome)
}

fn load_nothing(subject: &mut dyn Subject) -> Result<(), Broken> {
    subject
        .load(&[])?
        .map_err(|reason| format!("it refused to load nothing: {reason}"))
}
