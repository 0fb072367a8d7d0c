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
/// Maximum time for a set-up, or for one step of a build.
const STEP_WITHIN: Duration = Duration::from_secs(600);
/// Messages of pip and npm about a version that is not the pinned one.
const OTHER_CONTENT: [&str; 2] = ["DO NOT MATCH THE HASHES", "EINTEGRITY"];

/// The programs of a Python environment with these requirements; none where it can't be set up here.
///
/// # Errors
///
/// Where a package has another hash than the one it is pinned to.
pub fn venv(name: &str, requirements: &Path) -> Result<Option<PathBuf>> {
    let requirements = fs::canonicalize(requirements)?;
    let pinned = fs::read(&requirements).with_context(|| requirements.display().to_string())?;
    let line = format!(
        "python3 -m venv . && bin/pip install --quiet --only-binary=:all: -r '{}'",
        requirements.display()
    );
    let place = set_up(name, &pinned, &line)?;
    Ok(place.map(|place| place.join("bin")))
}

/// A folder with the packages that the lock file in `sources` pins; none where it can't be set up here.
///
/// # Errors
///
/// Where a package has another hash than the one it is pinned to.
pub fn node_modules(name: &str, sources: &Path) -> Result<Option<PathBuf>> {
    let sources = fs::canonicalize(sources)?;
    let lock = sources.join("package-lock.json");
    let pinned = fs::read(&lock).with_context(|| lock.display().to_string())?;
    let line = format!(
        "cp '{}'/package*.json . && npm ci --ignore-scripts --no-audit --no-fund",
        sources.display()
    );
    set_up(name, &pinned, &line)
}

/// A folder in which these commands have installed tools; none where they fail.
///
/// # Errors
///
/// Where a package has another hash than the one it is pinned to.
pub fn installed(name: &str, commands: &[&str]) -> Result<Option<PathBuf>> {
    let commands = std::iter::once(":").chain(commands.iter().copied());
    let line = commands.collect::<Vec<_>>().join(" && ");
    set_up(name, line.as_bytes(), &line)
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

/// Returns the folder of these very pins, set up first by a line of shell that runs in it; none where that fails.
fn set_up(name: &str, pinned: &[u8], line: &str) -> Result<Option<PathBuf>> {
    // Several tests want the same tools.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut key = sha256(pinned);
    key.truncate(KEY_DIGITS);
    let place = target().join("foreign/tools").join(key);
    // Made last, so that half a set-up is not taken for a whole one.
    let is_there = place.join("installed").exists();
    if is_there {
        return Ok(Some(place));
    }
    fs::create_dir_all(&place)?;
    let folder = fs::canonicalize(&place)?;
    let line = format!(
        "mkdir -p '{folder}' && cd '{folder}' && {line} && touch installed",
        folder = folder.display()
    );
    let forbidden = std::env::var_os("EDGE_CACHE_NO_INSTALL").is_some_and(|value| value == "1");
    let said = if forbidden {
        "EDGE_CACHE_NO_INSTALL=1 forbids it".to_string()
    } else {
        match run(Command::new("sh").args(["-euc", &line])) {
            Ok(()) => return Ok(Some(place)),
            Err(error) => format!("{error:#}"),
        }
    };
    if OTHER_CONTENT.iter().any(|other| said.contains(other)) {
        bail!("{name}: {said}");
    }
    println!("skipped: {name} can't be set up here: {said}\nby hand: {line}");
    Ok(None)
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
