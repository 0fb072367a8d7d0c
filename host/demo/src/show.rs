//! Output of the demo: steps and tables on standard output, logs on standard error.

use std::io::Write;
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};

use edge_cache_core::labels::Labels;
use edge_cache_core::text;
use edge_cache_host::NodeCapacity;

/// The widest table, in columns of a terminal.
const WIDTH: u16 = 80;

/// Prints the heading of a step.
pub(super) fn heading(text: &str) {
    print(&format!("\n{text}\n"));
}

/// Prints an event of a step.
pub(super) fn line(text: &str) {
    print(&format!("  {text}\n"));
}

pub(super) fn capacity(capacity: &NodeCapacity) -> String {
    format!(
        "{:>2} cores {:>6} MiB RAM {:>7} MiB disk   {}",
        capacity.cpu_cores,
        capacity.ram_mib,
        capacity.disk_mib,
        capacity.geo.as_deref().unwrap_or("no geo")
    )
}

/// Prints the last log lines of an agent on standard error.
pub(super) fn log(node_id: u64, lines: &[String]) {
    print_error(&format!("\nThe log of agent {node_id} ends with:\n"));
    for line in lines {
        print_error(&format!("  {line}"));
    }
    print_error("");
}

/// Formats a time in seconds.
pub(super) fn time(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header)
        .add_rows(rows);
    print(&format!("{table}\n"));
}

/// Formats labels on one line.
pub(super) fn pairs(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    text::clean(&pairs.join(" "), text::ERROR_BYTES_MAX)
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed reader is no error.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn print_error(line: &str) {
    // As above.
    let _ = writeln!(std::io::stderr(), "{line}");
}
