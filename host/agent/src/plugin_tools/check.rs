//! `plugin check`: runs the conformance checks on a plugin and measures its calls.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::iter::repeat;
use std::path::Path;

use anyhow::{Context, Error, Result};
use serde::Serialize;

use super::{ToolReport, grouped, plugin_file};
use crate::cli::CheckArgs;
use crate::exit::usage;
use crate::screen::Screen;
use crate::trusted_file;
use edge_cache_conformance::{CONTRACT, Costs, Examination, Report, Samples, Verdict, examine};
use edge_cache_core::text;
use edge_cache_host::sandbox::{CompilerProcess, Plugin, PluginError};
use tokio::runtime::Runtime;

/// The column in which a line begins to say what it is about.
const ABOUT: usize = 26;
const LOADS: &str = "loads";
const LOADS_REQUIREMENT: &str = "it implements the world, and all of its imports are granted";

/// Checks a plugin. The report is good if no check failed. The plugin runs on this thread, not on one of the runtime.
///
/// # Errors
///
/// The settings contradict each other, a file cannot be read, or the samples are invalid.
pub fn check(
    args: &CheckArgs,
    runtime: &Runtime,
    compiler: &CompilerProcess,
) -> Result<ToolReport> {
    let config = args.host.config()?;
    let samples = samples(args.sample.as_deref())?;
    let (name, read) = runtime.block_on(plugin_file(&args.source, &args.registry, &config))?;
    let load = |file| runtime.block_on(Plugin::load_in_child(file, config, compiler));
    let checked = examined(name, read.and_then(load), &samples)?;
    Ok(ToolReport::new(
        checked.passes,
        args.format,
        |out| checked.table(out),
        &checked,
    ))
}

/// Runs the checks on a plugin.
///
/// # Errors
///
/// The plugin could not be read.
pub(super) fn examined(
    file: String,
    loaded: Result<Plugin, PluginError>,
    samples: &Samples,
) -> Result<Checked> {
    let loads = |verdict| Report {
        name: LOADS,
        requirement: LOADS_REQUIREMENT,
        verdict,
    };
    let (sha256, examination, refusal) = match loaded {
        Ok(plugin) => {
            let mut examination = examine(&plugin, samples, CONTRACT);
            examination.reports.insert(0, loads(Verdict::Passed));
            (Some(hex::encode(plugin.sha256())), examination, None)
        }
        Err(error @ PluginError::Read { .. }) => {
            return Err(error).context("cannot load the plugin");
        }
        Err(error) => {
            let refusal = loads(Verdict::failed(&text::error_chain(&error)));
            let reason = "it does not load";
            let examination =
                Examination::without_checks(vec![refusal], Vec::new(), CONTRACT, reason);
            (None, examination, Some(error))
        }
    };
    Ok(Checked {
        file,
        sha256,
        passes: examination.passes(),
        examination,
        refusal,
    })
}

/// The output as JSON.
#[derive(Serialize)]
pub(super) struct Checked {
    file: String,
    sha256: Option<String>,
    pub(super) passes: bool,
    #[serde(flatten)]
    examination: Examination,
    /// Reason why the plugin does not load, which the checks name too.
    #[serde(skip)]
    refusal: Option<PluginError>,
}

impl Checked {
    /// Writes the result for people, in lines that fit the screen.
    pub(super) fn table(&self, out: &mut String) -> fmt::Result {
        let mut lines = String::new();
        self.lines(&mut lines)?;
        out.push_str(&Screen::of_stdout().wrap(&lines, ABOUT));
        Ok(())
    }

    fn lines(&self, out: &mut String) -> fmt::Result {
        let examination = &self.examination;
        let (mut ok, mut failed, mut skipped) = (0_usize, 0_usize, 0_usize);
        for (number, sample) in (1..).zip(&examination.samples) {
            if let Some(refusal) = &sample.refusal {
                skipped = skipped.saturating_add(1);
                writeln!(out, "skipped  sample {number}: refused, {refusal}")?;
            }
        }
        for report in &examination.reports {
            // The reason of a skipped check is more useful than its requirement.
            let (count, status, about) = match &report.verdict {
                Verdict::Passed => (&mut ok, "ok", report.requirement),
                Verdict::Failed(_) => (&mut failed, "FAILED", report.requirement),
                Verdict::Skipped(reason) => (&mut skipped, "skipped", reason.as_str()),
            };
            *count = count.saturating_add(1);
            writeln!(out, "{status:<9}{:<17}{about}", report.name)?;
            let Some(found) = report.violation() else {
                continue;
            };
            match &self.refusal {
                Some(refusal) => table_of_refusal(out, refusal)?,
                None => writeln!(out, "{:ABOUT$}but {}", "", self.finding(report.name, found))?,
            }
        }
        if let Some(costs) = &examination.costs {
            table_of_costs(out, costs)?;
        }
        let file = &self.file;
        writeln!(out, "\n{file}: {ok} ok, {failed} FAILED, {skipped} skipped")
    }

    /// Returns what a check found, or the name of the first check that found it, since a fault of `enable` ends most checks.
    fn finding<'a>(&self, name: &str, found: &'a str) -> Cow<'a, str> {
        let mut reports = self.examination.reports.iter();
        match reports.find(|report| report.violation() == Some(found)) {
            Some(first) if first.name != name => format!("the same as in `{}`", first.name).into(),
            _ => found.into(),
        }
    }
}

/// Writes why a plugin does not load: its first line, and each difference from the world below it.
fn table_of_refusal(out: &mut String, refusal: &PluginError) -> fmt::Result {
    for (line, before) in refusal
        .lines()
        .iter()
        .zip(["but "].into_iter().chain(repeat("  ")))
    {
        writeln!(out, "{:ABOUT$}{before}{line}", "")?;
    }
    Ok(())
}

fn table_of_costs(out: &mut String, costs: &Costs) -> fmt::Result {
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
    let compile = costs.compile.unwrap_or_default();
    for (name, took) in [
        ("compile", compile),
        ("load", costs.load),
        ("instantiate", costs.instantiate),
    ] {
        writeln!(out, "{name:<15}{:>20}", format!("{took:.1?}"))?;
    }
    let (used, limit) = (kib(costs.memory_bytes), kib(costs.memory_limit_bytes));
    writeln!(
        out,
        "memory         {used} KiB of {limit} KiB, the limit `memory_bytes`"
    )
}

/// Reads the samples of a file; without one they are those of the test kit.
pub(super) fn samples(file: Option<&Path>) -> Result<Samples> {
    let Some(path) = file else {
        return Ok(Samples::default());
    };
    let read = || Samples::from_json(&trusted_file::read_public(path)?).map_err(Error::msg);
    read()
        .with_context(|| format!("cannot use the samples {}", path.display()))
        .map_err(usage)
}

fn kib(bytes: usize) -> String {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    grouped(bytes.div_ceil(1024))
}
