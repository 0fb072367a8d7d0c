//! Pinned tools from the registries of other languages, in folders of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Maximum time for one step of a set-up or build.
const STEP_WITHIN: Duration = Duration::from_secs(300);
/// Messages of pip and npm about a version that is not the pinned one.
const OTHER_CONTENT: [&str; 2] = ["DO NOT MATCH THE HASHES", "EINTEGRITY"];

/// The programs of a Python environment with these requirements; none where it can't be set up here.
///
/// # Errors
///
/// Where a package has another hash than the one it is pinned to.
pub fn venv(name: &str, requirements: &Path) -> Result<Option<PathBuf>> {
    let place = target().join(name);
    let programs = place.join("bin");
    let pip = programs.join("pip");
    set_up(name, &place, requirements, || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        run(Command::new(&pip)
            .args(["install", "--quiet", "--only-binary=:all:", "-r"])
            .arg(requirements))
    })
    .map(|there| there.then_some(programs))
}

/// A folder with the packages that the lock file in `sources` pins; none where it can't be set up here.
///
/// # Errors
///
/// Where a package has another hash than the one it is pinned to.
pub fn node_modules(name: &str, sources: &Path) -> Result<Option<PathBuf>> {
    let place = target().join(name);
    let lock = sources.join("package-lock.json");
    set_up(name, &place, &lock, || {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(sources.join(file), place.join(file))?;
        }
        run(Command::new("npm").current_dir(&place).args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]))
    })
    .map(|there| there.then_some(place))
}

/// Runs a program to its end.
///
/// # Errors
///
/// With what it said, where it fails or runs on.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = output(command).with_context(|| program.clone())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {said}");
    Ok(())
}

/// Returns cargo's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    )
}

/// Sets `place` up unless it is from these very pins.
fn set_up(
    name: &str,
    place: &Path,
    pins: &Path,
    install: impl FnOnce() -> Result<()>,
) -> Result<bool> {
    let pinned = fs::read(pins).with_context(|| pins.display().to_string())?;
    // Written last, so that half a set-up is not taken for a whole one.
    let installed = place.join("installed");
    if fs::read(&installed).is_ok_and(|installed| installed == pinned) {
        return Ok(true);
    }
    fs::create_dir_all(place)?;
    match install() {
        Ok(()) => {
            fs::write(&installed, pinned)?;
            Ok(true)
        }
        Err(error) => {
            let said = format!("{error:#}");
            if OTHER_CONTENT.iter().any(|other| said.contains(other)) {
                bail!("{name}: {said}");
            }
            println!("skipped: {name} can't be set up here: {said}");
            Ok(false)
        }
    }
}

fn output(command: &mut Command) -> Result<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = i32::try_from(child.id())?;
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    if let Ok(output) = end.recv_timeout(STEP_WITHIN) {
        return Ok(output?);
    }
    let id = rustix::process::Pid::from_raw(id).context("no process")?;
    rustix::process::kill_process(id, rustix::process::Signal::KILL)?;
    bail!("it runs on after {STEP_WITHIN:?}")
}
