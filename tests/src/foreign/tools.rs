//! Pinned tools from the registries of other languages, in folders of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::component::sha256;

/// Length of a digest that distinguishes two installations.
const KEY_DIGITS: usize = 16;
/// Crate that generates bindings for Go, and the module that they use, which is part of it.
const GO_CRATE: &str = "wit-bindgen-go-0.61.1";
const GO_MODULE: &str = "go.bytecodealliance.org/pkg";
const GO_VERSION: &str = "v0.2.3";
/// Packs a folder below a prefix, files only.
const ARCHIVE: &str = "
import os, sys, zipfile
source, archive, prefix = sys.argv[1:]
with zipfile.ZipFile(archive, 'w') as packed:
    for folder, _, names in os.walk(source):
        for path in (os.path.join(folder, name) for name in names):
            packed.write(path, os.path.join(prefix, os.path.relpath(path, source)))
";
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
    let pinned = fs::read(requirements).with_context(|| requirements.display().to_string())?;
    set_up(name, &place, &pinned, || {
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
    let pinned = fs::read(&lock).with_context(|| lock.display().to_string())?;
    set_up(name, &place, &pinned, || {
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

/// A folder in which these commands have installed tools; none where they fail.
///
/// # Errors
///
/// Where a package has another hash than the one it is pinned to.
pub fn installed(name: &str, commands: &[&str]) -> Result<Option<PathBuf>> {
    let pins = commands.join("\n");
    let mut key = sha256(pins.as_bytes());
    key.truncate(KEY_DIGITS);
    let place = target().join("foreign/tools").join(key);
    // Several tests want the same tools.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let is_there = set_up(name, &place, pins.as_bytes(), || {
        commands.iter().try_for_each(|line| {
            let mut shell = Command::new("sh");
            run(shell.args(["-euc", line]).current_dir(&place)).with_context(|| line.to_string())
        })
    })?;
    Ok(is_there.then_some(place))
}

/// The environment in which Go finds the module that its bindings use: in the crate that generates them, since Go's own
/// registry may be out of reach.
///
/// # Errors
///
/// The module's archive cannot be written.
pub fn go_modules() -> Result<[(&'static str, String); 4]> {
    let place = target().join("foreign/go-modules");
    let versions = place.join(GO_MODULE).join("@v");
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let sources = home.context("no home directory")?.join("registry/src");
    let crates = fs::read_dir(&sources)?.filter_map(Result::ok);
    let module = crates
        .map(|registry| registry.path().join(GO_CRATE).join("src/pkg"))
        .find(|module| module.is_dir())
        .with_context(|| format!("no {GO_CRATE} in {}", sources.display()))?;
    let fresh = tempfile::tempdir()?;
    let archive = fresh.path().join("module.zip");
    let prefix = format!("{GO_MODULE}@{GO_VERSION}");
    run(Command::new("python3")
        .args(["-c", ARCHIVE])
        .arg(&module)
        .arg(&archive)
        .arg(prefix))?;
    fs::create_dir_all(&versions)?;
    let file = |end: &str| versions.join(format!("{GO_VERSION}{end}"));
    fs::copy(&archive, file(".zip"))?;
    fs::copy(module.join("go.mod"), file(".mod"))?;
    fs::write(file(".info"), format!(r#"{{"Version":"{GO_VERSION}"}}"#))?;
    Ok([
        (
            "GOPROXY",
            format!("file://{}", fs::canonicalize(&place)?.display()),
        ),
        ("GOSUMDB", "off".to_string()),
        ("GOTOOLCHAIN", "local".to_string()),
        ("GOFLAGS", "-modcacherw".to_string()),
    ])
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
    pinned: &[u8],
    install: impl FnOnce() -> Result<()>,
) -> Result<bool> {
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
