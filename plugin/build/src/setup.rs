//! Finds a compiler for guests, or installs one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::compiler::{Compiler, Rustc, choose, describe_lacks};
use crate::environment::is_on;
use crate::error::BuildError;
use crate::guest::Guest;
use crate::probe;
use crate::report::report;
use crate::target::TARGET;

/// Permission of the user to install software.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission {
    /// Nothing.
    Nothing,
    /// A target in the user's rustup.
    Target,
    /// A target, and packages of the system.
    Packages,
}

/// Commands that install a compiler, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way(Vec<Vec<&'static str>>);

/// Finds a compiler for `guest`, or installs one if that is permitted.
pub(crate) fn find_compiler(guest: &Guest) -> Result<Compiler, BuildError> {
    let folder = guest.folder();
    let (rustcs, linker) = survey(folder)?;
    if let Some(compiler) = choose(&rustcs, linker.as_deref()) {
        return Ok(compiler);
    }
    let permission = Permission::of(is_on("EDGE_CACHE_NO_INSTALL"), is_on("EDGE_CACHE_INSTALL"));
    let mut found = vec![describe_lacks(&rustcs)];
    if permission == Permission::Nothing {
        found.push("EDGE_CACHE_NO_INSTALL=1 forbids setting one up".to_owned());
    }
    for way in ways(permission, linker.is_some()) {
        report(&format!(
            "no compiler here can build for {TARGET}; running `{way}`"
        ));
        if let Err(failure) = way.take(folder) {
            found.push(failure);
            continue;
        }
        let (rustcs, linker) = survey(folder)?;
        if let Some(compiler) = choose(&rustcs, linker.as_deref()) {
            return Ok(compiler);
        }
        found.push(format!("after `{way}`: {}", describe_lacks(&rustcs)));
    }
    Err(BuildError::NoCompiler {
        found: found.join("; "),
    })
}

impl Permission {
    fn of(no_install: bool, install: bool) -> Self {
        match (no_install, install) {
            (true, _) => Self::Nothing,
            (false, false) => Self::Target,
            (false, true) => Self::Packages,
        }
    }
}

impl Way {
    /// Runs the commands. The error contains the failed command and its last message.
    fn take(&self, folder: &Path) -> Result<(), String> {
        self.0.iter().try_for_each(|words| run(words, folder))
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commands: Vec<_> = self.0.iter().map(|words| words.join(" ")).collect();
        f.write_str(&commands.join(" && "))
    }
}

/// Returns the permitted ways, the one with fewer changes first.
fn ways(permission: Permission, has_linker: bool) -> Vec<Way> {
    let rustup = Way(vec![vec!["rustup", "target", "add", TARGET]]);
    let mut install = vec![
        "apt-get",
        "install",
        "-y",
        "--no-install-recommends",
        "rustc-web",
        "rust-web-src",
    ];
    if !has_linker {
        install.push("lld");
    }
    let debian = Way(vec![vec!["apt-get", "update"], install]);
    match permission {
        Permission::Nothing => Vec::new(),
        Permission::Target => vec![rustup],
        Permission::Packages => vec![rustup, debian],
    }
}

/// Returns the compilers of this machine, the active one first, and a linker for those without one.
///
/// The others are queried only if the active one does not have the target.
fn survey(folder: &Path) -> Result<(Vec<Rustc>, Option<PathBuf>), BuildError> {
    let active = probe::active(folder)?;
    let others = if active.has_target {
        Vec::new()
    } else {
        probe::others(&active, folder)
    };
    let rustcs: Vec<_> = [active].into_iter().chain(others).collect();
    let linker = probe::spare_linker(&rustcs);
    Ok((rustcs, linker))
}

fn run(words: &[&str], folder: &Path) -> Result<(), String> {
    let [program, arguments @ ..] = words else {
        return Ok(());
    };
    let mut command = Command::new(program);
    // Packages use their defaults instead of asking questions.
    command
        .args(arguments)
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    let line = words.join(" ");
    let output = command
        .output()
        .map_err(|error| format!("`{line}` did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it gave no reason");
    Err(format!("`{line}` failed: {}", last.trim()))
}

#[cfg(test)]
mod tests;
