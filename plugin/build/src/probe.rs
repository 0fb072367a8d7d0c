//! Facts about the compilers of this machine.
//!
//! Each build queries them again, which takes 50 ms for each compiler, since an update may change them.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::compiler::Rustc;
use crate::error::BuildError;
use crate::target::TARGET;

/// Returns the compiler that cargo uses in `folder`.
pub(crate) fn active(folder: &Path) -> Result<Rustc, BuildError> {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    ask(&program, folder)?.ok_or_else(|| BuildError::NoCompiler {
        found: format!(
            "{} does not know that target",
            Path::new(&program).display()
        ),
    })
}

/// Returns the other compilers: those on the PATH, and the one of the distribution.
pub(crate) fn others(active: &Rustc, folder: &Path) -> Vec<Rustc> {
    let mut sysroots = BTreeSet::from([active.sysroot.clone()]);
    let mut programs = BTreeSet::from([real(&active.program)]);
    let mut found = Vec::new();
    for place in search_path().chain([PathBuf::from("/usr/bin")]) {
        let program = place
            .join("rustc")
            .with_extension(env::consts::EXE_EXTENSION);
        if !program.is_file() || !programs.insert(real(&program)) {
            continue;
        }
        // A compiler that cannot be queried is left out.
        let Ok(Some(rustc)) = ask(program.as_os_str(), folder) else {
            continue;
        };
        if sysroots.insert(rustc.sysroot.clone()) {
            let version = output_of(rustc.program.as_os_str(), &["--version"], folder);
            let recent = version.is_ok_and(|version| is_recent(&version.unwrap_or_default()));
            found.push(Rustc { recent, ..rustc });
        }
    }
    found
}

/// Returns a linker for compilers without one.
pub(crate) fn spare_linker(rustcs: &[Rustc]) -> Option<PathBuf> {
    let lent = rustcs.iter().find_map(|rustc| rustc.linker.clone());
    lent.or_else(|| {
        let names = ["rust-lld", "wasm-ld"]
            .map(|name| Path::new(name).with_extension(env::consts::EXE_EXTENSION));
        search_path()
            .flat_map(|place| names.clone().map(|name| place.join(name)))
            .find(|linker| linker.is_file())
    })
}

/// Queries a rustc. Returns none if it does not know the options or the target.
///
/// It counts as recent, since the active one has compiled this program.
fn ask(program: &OsStr, folder: &Path) -> Result<Option<Rustc>, BuildError> {
    let questions = ["sysroot", "target-libdir", "host-tuple"].map(|what| ["--print", what]);
    let mut arguments = questions.concat();
    arguments.extend(["--target", TARGET]);
    let Some(answers) = output_of(program, &arguments, folder)? else {
        return Ok(None);
    };
    let mut lines = answers.lines();
    let (Some(sysroot), Some(library), Some(host)) = (lines.next(), lines.next(), lines.next())
    else {
        return Ok(None);
    };
    let sysroot = PathBuf::from(sysroot);
    let own = sysroot
        .join("bin/rustc")
        .with_extension(env::consts::EXE_EXTENSION);
    let tools = sysroot.join("lib/rustlib").join(host).join("bin");
    let has_source = sysroot
        .join("lib/rustlib/src/rust/library/Cargo.lock")
        .is_file();
    Ok(Some(Rustc {
        program: if own.is_file() { own } else { program.into() },
        has_target: has_library(Path::new(library), "libcore-")
            && has_library(Path::new(library), "libstd-"),
        has_source,
        linker: Some(
            tools
                .join("rust-lld")
                .with_extension(env::consts::EXE_EXTENSION),
        )
        .filter(|file| file.is_file()),
        recent: true,
        sysroot,
    }))
}

fn output_of(
    program: &OsStr,
    arguments: &[&str],
    folder: &Path,
) -> Result<Option<String>, BuildError> {
    let ran = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    let output = ran.map_err(|source| BuildError::Run {
        program: program.to_string_lossy().into_owned(),
        source,
    })?;
    Ok(output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Returns whether a folder contains a library.
///
/// The folder of a target exists even without its libraries, so its existence proves nothing.
pub(crate) fn has_library(folder: &Path, prefix: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries
        .flatten()
        .map(|entry| entry.file_name())
        .any(|name| {
            let name = name.to_string_lossy();
            name.starts_with(prefix) && name.ends_with(".rlib")
        })
}

/// Returns whether this workspace supports a version such as `rustc 1.96.0 (ac68faa20 2026-05-25)`.
fn is_recent(version: &str) -> bool {
    let numbers = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    };
    let said = version.split_whitespace().nth(1).and_then(numbers);
    said.is_some_and(|said| Some(said) >= numbers(env!("CARGO_PKG_RUST_VERSION")))
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests;
