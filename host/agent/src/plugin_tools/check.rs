//! `plugin check`: runs the conformance checks on a plugin and measures its calls.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::report::{ToolReport, document, grouped};
use crate::cli::{CheckArgs, OutputFormat};
use crate::run::RunError;
use edge_cache_conformance::{
    CONTRACT, Check, Costs, Examination, REFERENCE, Report, SampleReport, Samples, Verdict, examine,
};
use edge_cache_core::text;
use edge_cache_host::sandbox::{Plugin, PluginError};

const LOADS: &str = "loads";
const LOADS_REQUIREMENT: &str = "it implements the world, and all of its imports are granted";
/// The largest file of samples, in bytes.
const SAMPLES_BYTES_MAX: u64 = 64 * 1024;
/// The longest text of a finding, in bytes: a list of 20,000 entries is no help.
const FOUND_BYTES_MAX: usize = 1024;

/// Checks a plugin. The report is good if no check failed.
///
/// # Errors
///
/// The settings contradict each other, a file cannot be read, or the samples are invalid.
pub fn check(args: &CheckArgs) -> Result<ToolReport, RunError> {
    let config = args.host.config().map_err(RunError::Usage)?;
    let memory_limit = config.limits.memory_bytes;
    let samples = match &args.sample {
        Some(path) => read_samples(path)?,
        None => Samples::default(),
    };
    let mut checks: Vec<Check> = CONTRACT.to_vec();
    if args.reference {
        checks.extend_from_slice(REFERENCE);
    }
    let loads = |verdict| Report {
        name: LOADS,
        requirement: LOADS_REQUIREMENT,
        verdict,
    };
    let (sha256, examination) = match Plugin::from_file(&args.file, config) {
        Ok(plugin) => {
            let mut examination = examine(&plugin, &samples, &checks);
            examination.reports.insert(0, loads(Verdict::Passed));
            (Some(hex::encode(plugin.sha256())), examination)
        }
        Err(error @ PluginError::Read { .. }) => return Err(RunError::Plugin(error)),
        Err(error) => {
            let refusal = loads(Verdict::Failed(text::error_chain(&error)));
            let skipped = |check: &Check| Report {
                name: check.name,
                requirement: check.requirement,
                verdict: Verdict::Skipped("it does not load".to_string()),
            };
            let reports = std::iter::once(refusal).chain(checks.iter().map(skipped));
            let examination = Examination {
                reports: reports.collect(),
                samples: Vec::new(),
                costs: None,
            };
            (None, examination)
        }
    };
    let checked = Checked {
        file: file_name(&args.file),
        sha256,
        examination,
        memory_limit,
    };
    Ok(ToolReport {
        is_good: checked.examination.passes(),
        text: match args.format {
            OutputFormat::Table => checked.table(),
            OutputFormat::Json => document(&checked.object()),
        },
    })
}

struct Checked {
    file: String,
    sha256: Option<String>,
    examination: Examination,
    memory_limit: usize,
}

impl Checked {
    fn table(&self) -> String {
        let mut out = String::new();
        let examination = &self.examination;
        for (number, sample) in (1..).zip(&examination.samples) {
            if let Some(refusal) = &sample.refusal {
                let refusal = text::clean(refusal, FOUND_BYTES_MAX);
                line(
                    &mut out,
                    &format!("skipped  sample {number}: refused, {refusal}"),
                );
            }
        }
        for report in &examination.reports {
            let (status, found) = status(&report.verdict);
            // For a skipped check, the reason is more useful than the requirement.
            let (what, found) = match (&report.verdict, found) {
                (Verdict::Skipped(reason), _) => (reason.as_str(), None),
                (_, found) => (report.requirement, found),
            };
            line(&mut out, &format!("{status:<9}{:<17}{what}", report.name));
            if let Some(found) = found {
                line(&mut out, &format!("{:26}but {found}", ""));
            }
        }
        if let Some(costs) = &examination.costs {
            self.table_of_costs(&mut out, costs);
        }
        let count = |wanted: &str| {
            let found = examination.reports.iter();
            found
                .filter(|report| status(&report.verdict).0 == wanted)
                .count()
        };
        let refused = examination.samples.iter();
        let refused = refused.filter(|sample| sample.refusal.is_some()).count();
        let (ok, failed) = (count("ok"), count("FAILED"));
        let skipped = count("skipped").saturating_add(refused);
        line(
            &mut out,
            &format!(
                "\n{}: {ok} ok, {failed} FAILED, {skipped} skipped",
                self.file
            ),
        );
        out
    }

    fn table_of_costs(&self, out: &mut String, costs: &Costs) {
        line(
            out,
            &format!(
                "\n{:<15}{:>8}{:>12}{:>12}   with {} entries",
                "call",
                "calls",
                "p50",
                "p99",
                grouped(u64::try_from(costs.entries).unwrap_or(u64::MAX))
            ),
        );
        for cost in &costs.calls {
            line(
                out,
                &format!(
                    "{:<15}{:>8}{:>12}{:>12}",
                    cost.call,
                    cost.count,
                    format!("{:.1?}", cost.p50),
                    format!("{:.1?}", cost.p99)
                ),
            );
        }
        line(
            out,
            &format!(
                "memory         {} KiB of {} KiB, the limit `memory_bytes`",
                kib(costs.memory_bytes),
                kib(self.memory_limit)
            ),
        );
    }

    fn object(&self) -> Value {
        let examination = &self.examination;
        let checks = examination.reports.iter().map(|report| {
            let (status, found) = status(&report.verdict);
            json!({
                "name": report.name,
                "what": report.requirement,
                "status": status.to_lowercase(),
                "found": found,
            })
        });
        let samples = examination.samples.iter().map(
            |SampleReport { capacity, refusal }| json!({"capacity": capacity, "refusal": refusal}),
        );
        let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6;
        let costs = examination.costs.as_ref().map(|costs| {
            let calls = costs.calls.iter().map(|cost| {
                json!({
                    "call": cost.call,
                    "count": cost.count,
                    "p50_us": micros(cost.p50),
                    "p99_us": micros(cost.p99),
                })
            });
            json!({
                "entries": costs.entries,
                "calls": calls.collect::<Vec<_>>(),
                "memory_bytes": costs.memory_bytes,
                "memory_limit_bytes": self.memory_limit,
            })
        });
        json!({
            "file": self.file,
            "sha256": self.sha256,
            "passes": examination.passes(),
            "samples": samples.collect::<Vec<_>>(),
            "checks": checks.collect::<Vec<_>>(),
            "costs": costs,
        })
    }
}

/// Returns the status of a check and its finding.
fn status(verdict: &Verdict) -> (&'static str, Option<String>) {
    match verdict {
        Verdict::Passed => ("ok", None),
        Verdict::Failed(found) => ("FAILED", Some(text::clean(found, FOUND_BYTES_MAX))),
        Verdict::Skipped(reason) => ("skipped", Some(reason.clone())),
    }
}

fn read_samples(path: &Path) -> Result<Samples, RunError> {
    let wrong = |reason: String| {
        RunError::Usage(format!(
            "cannot use the samples {}: {reason}",
            path.display()
        ))
    };
    let size = path
        .metadata()
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size > SAMPLES_BYTES_MAX {
        return Err(wrong(format!("larger than {SAMPLES_BYTES_MAX} bytes")));
    }
    let json = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    Samples::from_json(&json).map_err(|error| wrong(text::error_chain(&error)))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    text::clean(&name, FOUND_BYTES_MAX)
}

fn kib(bytes: usize) -> String {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    grouped(bytes.div_ceil(1024))
}

fn line(out: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}
