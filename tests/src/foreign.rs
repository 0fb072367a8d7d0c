//! Components written in other languages, built by the tools of those languages.
//!
//! The tools are pinned by hashes and set up beside what cargo builds. Where they can't be had, because the
//! language is not on this machine or its registry can't be reached, a test is skipped with a message. That
//! a hash differs or that a source does not build is an error.

mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};

use crate::component::sha256;
pub(crate) use tools::run;

pub use tools::{go_modules, installed, node_modules, target, venv};

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guests");
/// The one thing that the authors of these components know of the project.
const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
const WORLD: &str = "edge-cache-plugin";
/// Length of a digest that distinguishes two builds.
const KEY_DIGITS: usize = 16;

/// Plugin built by the tools of a language; `None` if they are not available here.
type Built = Result<Option<PathBuf>, String>;

/// The component of `tests/guests/python`; none, said on standard output, where it can't be built here.
///
/// # Errors
///
/// Any error of the build, unless the tools are missing.
pub fn python() -> Result<Option<&'static Path>> {
    static BUILT: OnceLock<Built> = OnceLock::new();
    once(&BUILT, "python", || {
        let sources = Path::new(GUESTS).join("python");
        let Some(tools) = venv("componentize-py", &sources.join("requirements.txt"))? else {
            return Ok(None);
        };
        build("python", |output| {
            // A copy, because the interpreter leaves what it compiled beside the sources.
            let copies = tempfile::tempdir()?;
            copy(&sources, copies.path())?;
            run(Command::new(tools.join("componentize-py"))
                .args(["--quiet", "--wit-path", WIT, "--world", WORLD])
                .args(["componentize", "app", "--python-path"])
                .arg(copies.path())
                .arg("--output")
                .arg(output))
        })
        .map(Some)
    })
}

/// The component of `tests/guests/javascript`; none, said on standard output, where it can't be built here.
///
/// # Errors
///
/// Any error of the build, unless the tools are missing.
pub fn javascript() -> Result<Option<&'static Path>> {
    static BUILT: OnceLock<Built> = OnceLock::new();
    once(&BUILT, "javascript", || {
        let sources = Path::new(GUESTS).join("javascript");
        let Some(tools) = node_modules("componentize-js", &sources)? else {
            return Ok(None);
        };
        build("javascript", |output| {
            // Node looks for modules beside the script that wants them.
            copy(&sources, &tools)?;
            run(Command::new("node")
                .current_dir(&tools)
                .args(["build.js", WIT, WORLD])
                .arg(output))
        })
        .map(Some)
    })
}

fn once(
    built: &'static OnceLock<Built>,
    language: &str,
    build: impl FnOnce() -> Result<Option<PathBuf>>,
) -> Result<Option<&'static Path>> {
    built
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map(Option::as_deref)
        .map_err(|error| anyhow!("the {language} component is not there: {error}"))
}

/// The component of these sources and this world: the one that was built before, or one that is built now.
fn build(language: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut inputs = Vec::new();
    read_all(&Path::new(GUESTS).join(language), &mut inputs)?;
    built(language, inputs, |output| make(output).map(|()| true))
}

/// Returns the component of these inputs and this world: the one that was built before, or one that is built now, if
/// `make` says that it is there.
pub(crate) fn built(
    language: &str,
    mut inputs: Vec<u8>,
    make: impl FnOnce(&Path) -> Result<bool>,
) -> Result<PathBuf> {
    read_all(Path::new(WIT), &mut inputs)?;
    let mut key = sha256(&inputs);
    key.truncate(KEY_DIGITS);
    let folder = target().join("foreign");
    fs::create_dir_all(&folder)?;
    let component = folder.join(format!("{language}-{key}.wasm"));
    if !component.exists() {
        let fresh = tempfile::tempdir_in(&folder)?;
        let output = fresh.path().join("registry.wasm");
        if make(&output)? {
            fs::rename(&output, &component)?;
        }
    }
    Ok(component)
}

/// Names and contents, folder by folder in the order of their names. Texts for people change no component.
fn read_all(folder: &Path, into: &mut Vec<u8>) -> Result<()> {
    for path in files(folder)? {
        if path.is_dir() {
            read_all(&path, into)?;
        } else if path.extension() != Some("md".as_ref()) {
            let content = fs::read(&path)?;
            into.extend(format!("{} {}\n", path.display(), content.len()).bytes());
            into.extend(content);
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for path in files(from)?.into_iter().filter(|path| path.is_file()) {
        let name = path.file_name().context("a file without a name")?;
        fs::copy(&path, to.join(name))?;
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = read
        .map(|file| Ok(file?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
