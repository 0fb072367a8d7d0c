//! What the demo shows: steps and tables on standard output, progress on standard error.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::agent::Sight;
use crate::NodeCapacity;

/// The widest that a table gets, in columns.
const WIDTH: u16 = 96;
const SPIN_EVERY: Duration = Duration::from_millis(80);

/// A step of the story.
pub(super) fn heading(text: &str) {
    print(&format!("\n{text}\n"));
}

/// Something that happened in a step.
pub(super) fn line(text: &str) {
    print(&format!("  {text}\n"));
}

/// What each agent saw of each other one, and when.
pub(super) fn table(sights: &[Sight]) {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(["agent", "sees", "labels", "after"]);
    for sight in sights {
        let labels: Vec<String> = sight
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        table.add_row([
            sight.by.to_string(),
            format!("node {}", sight.of),
            labels.join(" "),
            time(sight.took),
        ]);
    }
    print(&format!("{table}\n"));
}

/// A capacity in one line.
pub(super) fn capacity(capacity: &NodeCapacity) -> String {
    format!(
        "{} cores, {} MiB RAM, {} MiB disk, {}",
        capacity.cpu_cores,
        capacity.ram_mib,
        capacity.disk_mib,
        capacity.geo.as_deref().unwrap_or("no geo")
    )
}

/// A time as a person reads it.
pub(super) fn time(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Progress: a bar on a terminal, a line a step elsewhere.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn start(what: &str, steps: usize) -> Self {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("  {spinner} {prefix} {bar:24} {pos}/{len}  {msg}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_string());
        bar.enable_steady_tick(SPIN_EVERY);
        Self { bar }
    }

    pub(super) fn step(&self, done: &str) {
        self.bar.inc(1);
        self.bar.set_message(done.to_string());
        if self.bar.is_hidden() {
            // A reader that went away has seen enough.
            let _ = writeln!(std::io::stderr(), "  {done}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let bold =
        text.starts_with('\n') && out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A reader that went away has seen enough.
    let _ = if bold {
        write!(out, "\x1b[1m{text}\x1b[0m")
    } else {
        out.write_all(text.as_bytes())
    };
    let _ = out.flush();
}
