//! The process, as the system sees it. Where the system does not say, the family is left out.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::sheet::{Sheet, family};

#[cfg(test)]
mod tests;

const KIB: u64 = 1024;

pub(super) fn write(sheet: &mut Sheet<'_>, started: SystemTime) -> fmt::Result {
    let since = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = family(
        "process_start_time",
        "When the agent was started, in seconds since 1970.",
    );
    sheet.gauge(start.seconds(), since)?;
    if let Some(resident) = resident_bytes() {
        let memory = family("process_resident_memory", "Memory that is in use.");
        sheet.gauge(memory.bytes(), resident)?;
    }
    if let Some(files) = open_files() {
        let open = family("process_open_files", "Files and sockets that are open.");
        sheet.gauge(open, files)?;
    }
    Ok(())
}

fn resident_bytes() -> Option<u64> {
    resident_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The resident memory in a `status` file, which is in KiB there whatever the size of a page.
fn resident_in(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(KIB))
}

fn open_files() -> Option<usize> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    // The directory itself was open meanwhile.
    Some(listed.saturating_sub(1))
}
