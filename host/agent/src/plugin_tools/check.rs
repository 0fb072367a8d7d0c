//! `plugin check`: runs the conformance checks on a plugin and measures its calls.

use std::fmt::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{ToolReport, grouped};
use crate::cli::CheckArgs;
use crate::exit::usage;
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
pub fn check(args: &CheckArgs) -> Result<ToolReport> {
    let config = args.host.config()?;
    let memory_limit = config.limits.memory_bytes;
    let samples = match &args.sample {
        Some(path) => read_samples(path)
            .with_context(|| format!("cannot use the samples {}", path.display()))
            .map_err(usage)?,
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
        Err(error @ PluginError::Read { .. }) => {
            return Err(error).context("cannot load the plugin");
        }
        Err(error) => {
            let refusal = loads(Verdict::Failed(text::error_chain(&error)));
            let reason = "it does not load";
            let examination =
                Examination::without_checks(vec![refusal], Vec::new(), &checks, reason);
            (None, examination)
        }
    };
    let checked = Checked {
        file: file_name(&args.file),
        sha256,
        examination,
        memory_limit,
    };
    Ok(ToolReport::new(
        checked.examination.passes(),
        args.format,
        |out| checked.table(out),
        || checked.object(),
    ))
}

struct Checked {
    file: String,
    sha256: Option<String>,
    examination: Examination,
    memory_limit: usize,
}

impl Checked {
    fn table(&self, out: &mut String) -> fmt::Result {
        let examination = &self.examination;
        let mut refused = 0_usize;
        for (number, sample) in (1..).zip(&examination.samples) {
            if let Some(refusal) = &sample.refusal {
                refused = refused.saturating_add(1);
                let refusal = text::clean(refusal, FOUND_BYTES_MAX);
                writeln!(out, "skipped  sample {number}: refused, {refusal}")?;
            }
        }
        for report in &examination.reports {
            let status = status(&report.verdict);
            let about = match &report.verdict {
                // The reason is more useful than the requirement.
                Verdict::Skipped(reason) => reason,
                _ => report.requirement,
            };
            writeln!(out, "{status:<9}{:<17}{about}", report.name)?;
            if let Verdict::Failed(found) = &report.verdict {
                writeln!(out, "{:26}but {}", "", text::clean(found, FOUND_BYTES_MAX))?;
            }
        }
        if let Some(costs) = &examination.costs {
            self.table_of_costs(out, costs)?;
        }
        let count = |wanted: &str| {
            let verdicts = examination.reports.iter().map(|report| &report.verdict);
            verdicts.filter(|verdict| status(verdict) == wanted).count()
        };
        let (ok, failed) = (count("ok"), count("FAILED"));
        let skipped = count("skipped").saturating_add(refused);
        let file = &self.file;
        writeln!(out, "\n{file}: {ok} ok, {failed} FAILED, {skipped} skipped")
    }

    fn table_of_costs(&self, out: &mut String, costs: &Costs) -> fmt::Result {
        let entries = grouped(u64::try_from(costs.entries).unwrap_or(u64::MAX));
        writeln!(
            out,
            "\n{:<15}{:>8}{:>12}{:>12}   with {entries} entries",
            "call", "calls", "p50", "p99"
        )?;
        for cost in &costs.calls {
            // A duration ignores the width.
            let (p50, p99) = (format!("{:.1?}", cost.p50), format!("{:.1?}", cost.p99));
            writeln!(out, "{:<15}{:>8}{p50:>12}{p99:>12}", cost.call, cost.count)?;
        }
        let (used, limit) = (kib(costs.memory_bytes), kib(self.memory_limit));
        writeln!(
            out,
            "memory         {used} KiB of {limit} KiB, the limit `memory_bytes`"
        )
    }

    fn object(&self) -> Value {
        let examination = &self.examination;
        let checks = examination.reports.iter().map(|report| {
            let found = match &report.verdict {
                Verdict::Passed => None,
                Verdict::Failed(found) => Some(text::clean(found, FOUND_BYTES_MAX)),
                Verdict::Skipped(reason) => Some(reason.clone()),
            };
            json!({
                "name": report.name,
                "what": report.requirement,
                "status": status(&report.verdict).to_lowercase(),
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

fn status(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "ok",
        Verdict::Failed(_) => "FAILED",
        Verdict::Skipped(_) => "skipped",
    }
}

fn read_samples(path: &Path) -> Result<Samples> {
    let size = path.metadata()?.len();
    ensure!(
        size <= SAMPLES_BYTES_MAX,
        "larger than {SAMPLES_BYTES_MAX} bytes"
    );
    Ok(Samples::from_json(&std::fs::read(path)?)?)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    text::clean(&name, FOUND_BYTES_MAX)
}

fn kib(bytes: usize) -> String {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    grouped(bytes.div_ceil(1024))
}
