//! The memory limit of the control group that this process runs in.

use std::fs;
use std::path::{Path, PathBuf};

const OWN_GROUPS: &str = "/proc/self/cgroup";
const MOUNT: &str = "/sys/fs/cgroup";

/// Returns the lowest memory limit of the own group and of those around it, in bytes; none without a limit.
pub(crate) fn memory_max() -> Option<usize> {
    let groups = fs::read_to_string(OWN_GROUPS).ok()?;
    let limits = files(&groups).into_iter().filter_map(|file| {
        let limit = fs::read_to_string(file).ok()?;
        // Version 2 says `max` where there is no limit.
        limit.trim().parse().ok()
    });
    limits.min()
}

/// Returns the files with the limits of the own group and of those around it.
///
/// In a container the path may begin outside of what is mounted; the files that exist are the right ones.
fn files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => (PathBuf::from(MOUNT), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (Path::new(MOUNT).join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        files.extend(path.ancestors().map(|path| mount.join(path).join(file)));
    }
    files
}

#[cfg(test)]
mod tests;
