//! The nested cargo, which compiles a guest's library to a core module.
//!
//! It uses a target folder of its own, so it never waits for the lock of a cargo that runs this process.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use serde_json::Value;

use crate::compiler::{Compiler, Library};
use crate::error::BuildError;
use crate::guest::Guest;
use crate::invocation::{self, PROFILE};
use crate::report::report;
use crate::target::TARGET;
use crate::{environment, probe};

/// Compiles `guest` below `target_dir` and returns the path of its module.
pub(crate) fn build_module(
    guest: &Guest,
    compiler: &Compiler,
    target_dir: &Path,
) -> Result<PathBuf, BuildError> {
    let mut command = invocation::of(guest, compiler, target_dir);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut cargo = command.spawn().map_err(not_run)?;
    let announcement = announcement(guest, compiler, target_dir);
    let (messages, stderr) = (cargo.stdout.take(), cargo.stderr.take());
    let (module, unprinted) = thread::scope(|scope| {
        let listener = stderr.map(|stderr| scope.spawn(|| forward(stderr, &announcement)));
        let module = messages.and_then(last_module);
        (
            module,
            listener
                .and_then(|listener| listener.join().ok())
                .unwrap_or_default(),
        )
    });
    let status = cargo.wait().map_err(not_run)?;
    if status.success() {
        return module.ok_or_else(|| BuildError::NoModule {
            manifest: guest.manifest().to_path_buf(),
        });
    }
    let _ = io::stderr().write_all(&unprinted);
    Err(BuildError::Cargo {
        manifest: guest.manifest().to_path_buf(),
        status,
    })
}

/// Returns the manifest of the workspace of `guest`.
pub(crate) fn workspace_of(guest: &Guest) -> Result<PathBuf, BuildError> {
    let mut command = environment::cargo_for_guests();
    command.current_dir(guest.folder()).args([
        "locate-project",
        "--workspace",
        "--message-format",
        "plain",
    ]);
    let output = command
        .arg("--manifest-path")
        .arg(guest.manifest())
        .output()
        .map_err(not_run)?;
    if !output.status.success() {
        let _ = io::stderr().write_all(&output.stderr);
        return Err(BuildError::Cargo {
            manifest: guest.manifest().to_path_buf(),
            status: output.status,
        });
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim_end(),
    ))
}

fn not_run(source: io::Error) -> BuildError {
    BuildError::Run {
        program: environment::cargo_program().to_string_lossy().into_owned(),
        source,
    }
}

fn announcement(guest: &Guest, compiler: &Compiler, target_dir: &Path) -> String {
    let libraries = target_dir.join(TARGET).join(PROFILE).join("deps");
    let wait = if compiler.library == Library::Source && !probe::has_library(&libraries, "libstd-")
    {
        "; its standard library is compiled once, which takes about a minute and a half"
    } else {
        ""
    };
    format!(
        "building the component of {} with {}{wait}",
        guest.name(),
        compiler.rustc.program.display()
    )
}

/// Reads the messages of cargo and returns those that were not printed.
///
/// On a terminal, lines are printed at once, except for the last one: an up-to-date build prints nothing.
fn forward(stderr: impl Read, announcement: &str) -> Vec<u8> {
    let mut announcement = Some(announcement);
    let mut unprinted = Vec::new();
    let live = io::stderr().is_terminal();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        if text.trim_start().starts_with("Compiling ") {
            announcement.take().into_iter().for_each(report);
        }
        if !live {
            unprinted.extend_from_slice(&line);
            unprinted.push(b'\n');
        } else if !text.trim_start().starts_with("Finished ") {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
    unprinted
}

/// Returns the module that cargo's messages name last: the guest's own, since dependencies are built before
/// it.
fn last_module(messages: impl Read) -> Option<PathBuf> {
    let lines = BufReader::new(messages).split(b'\n').map_while(Result::ok);
    let files = lines.filter_map(|line| {
        let message: Value = serde_json::from_slice(&line).ok()?;
        let files = message
            .get("filenames")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str);
        files.map(PathBuf::from).find(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        })
    });
    files.last()
}
