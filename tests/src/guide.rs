//! The author's guide, `wit/README.md`, carried out: from an empty folder to a component, by its own commands.
//!
//! A chapter's files and commands are taken out of the text and carried out in its order. They are given `WIT`, the
//! folder of the contract, `ADAPTER`, the adapter of wasmtime's releases, and the agent and `wit-bindgen` on the `PATH`.
//! Tools that a chapter installs are kept beside what cargo builds.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;

use crate::agent::binary;
use crate::foreign::{built, go_modules, installed, target};

/// First words of the commands that examine what a chapter leads to.
const EXAMINE: &str = "edge-cache-agent plugin ";
const CHECK: &str = "edge-cache-agent plugin check ";
/// First words of commands that install tools, into a folder of their own.
const INSTALL: [&str; 3] = ["python3 -m venv ", "tools/bin/pip ", "npm install "];
/// First words of a command that adds to the machine's Rust.
const ADD: &str = "rustup ";
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Instruction of a chapter to its reader.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// To write a file.
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Its content.
        content: String,
    },
    /// To run a command.
    Run(String),
}

/// Steps of a chapter.
#[derive(Debug, Clone)]
pub struct Chapter {
    name: String,
    steps: Vec<Step>,
}

impl Chapter {
    /// Reads a chapter of the guide.
    ///
    /// # Errors
    ///
    /// The guide has no such chapter, or code in it that belongs to no file.
    pub fn of_guide(name: &str) -> Result<Self> {
        let guide = fs::read_to_string(Path::new(ROOT).join("wit/README.md"))?;
        Ok(Self {
            name: name.to_string(),
            steps: steps(&guide, name)?,
        })
    }

    /// Goes on with another chapter in the same folder.
    ///
    /// # Errors
    ///
    /// As [`of_guide`](Self::of_guide).
    pub fn then(mut self, name: &str) -> Result<Self> {
        self.steps.extend(Self::of_guide(name)?.steps);
        Ok(self)
    }

    /// Returns the content of a file of the chapter.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&str> {
        self.steps.iter().find_map(|step| match step {
            Step::Write { path, content } if path == Path::new(name) => Some(content.as_str()),
            _ => None,
        })
    }

    /// Returns the chapter's commands.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Run(line) => Some(line.as_str()),
            Step::Write { .. } => None,
        })
    }

    /// Inserts code into a file of the chapter before the place where it says `before`.
    ///
    /// # Errors
    ///
    /// The chapter has no such file or place.
    pub fn insert(mut self, file: &str, before: &str, code: &str) -> Result<Self> {
        let found = self.steps.iter_mut().find_map(|step| match step {
            Step::Write { path, content } if path == Path::new(file) => Some(content),
            _ => None,
        });
        let content = found.with_context(|| format!("{} has no {file}", self.name))?;
        ensure!(content.contains(before), "{file} does not say {before:?}");
        *content = content.replacen(before, &format!("{code}{before}"), 1);
        Ok(self)
    }

    /// Makes a chapter without steps, for [`Chapter::write`] and [`Chapter::run`].
    #[must_use]
    pub fn empty(name: &str) -> Self {
        Self {
            name: name.to_string(),
            steps: Vec::new(),
        }
    }

    /// Writes a file before all else.
    #[must_use]
    pub fn write(mut self, path: &str, content: &str) -> Self {
        let (path, content) = (path.into(), content.to_string());
        self.steps.insert(0, Step::Write { path, content });
        self
    }

    /// Runs a command before all else.
    #[must_use]
    pub fn run_first(mut self, line: &str) -> Self {
        self.steps.insert(0, Step::Run(line.to_string()));
        self
    }

    /// Runs a command at the end.
    #[must_use]
    pub fn run(mut self, line: &str) -> Self {
        self.steps.push(Step::Run(line.to_string()));
        self
    }

    /// Replaces a text in files and commands.
    ///
    /// # Errors
    ///
    /// The chapter does not say it.
    pub fn replace(mut self, from: &str, to: &str) -> Result<Self> {
        let mut found = false;
        for step in &mut self.steps {
            let (Step::Write { content: text, .. } | Step::Run(text)) = step;
            found |= text.contains(from);
            *text = text.replace(from, to);
        }
        ensure!(found, "{} does not say {from:?}", self.name);
        Ok(self)
    }

    /// Carries the chapter out in an empty folder. Returns false, said on standard output, where its tools can't be
    /// installed here.
    ///
    /// # Errors
    ///
    /// A command fails, or the chapter does not end with a checked component.
    pub fn follow(&self) -> Result<bool> {
        let is_check = |step: &Step| matches!(step, Step::Run(line) if line.starts_with(CHECK));
        ensure!(
            self.steps.iter().any(is_check),
            "{} does not end with a checked component",
            self.name
        );
        let folder = empty_folder()?;
        self.carry_out(folder.path(), |_| true)
    }

    /// Returns the component that the chapter leads to, unchecked: the one that was built before, or one that is built
    /// now. None, said on standard output, where its tools can't be installed here.
    ///
    /// # Errors
    ///
    /// A command fails.
    pub fn component(&self) -> Result<Option<PathBuf>> {
        let name = self.name.replace(' ', "-").to_lowercase();
        let inputs = format!("{:?}", self.steps);
        let mut is_there = true;
        let component = built(&name, inputs.into_bytes(), |output| {
            let folder = empty_folder()?;
            is_there = self.carry_out(folder.path(), |line| !line.starts_with(EXAMINE))?;
            if is_there {
                fs::rename(folder.path().join("registry.wasm"), output)?;
            }
            Ok(is_there)
        })?;
        Ok(is_there.then_some(component))
    }

    fn carry_out(&self, folder: &Path, runs: impl Fn(&str) -> bool) -> Result<bool> {
        if std::env::var_os("EDGE_CACHE_NO_INSTALL").is_some_and(|value| value == "1") {
            println!(
                "skipped: EDGE_CACHE_NO_INSTALL=1 forbids the tools of {}",
                self.name
            );
            return Ok(false);
        }
        let lines = self.commands();
        let installs: Vec<&str> = lines.filter(|line| begins(line, &INSTALL)).collect();
        let Some(tools) = installed(&self.name, &installs)? else {
            return Ok(false);
        };
        for tool in fs::read_dir(tools)? {
            let tool = tool?;
            std::os::unix::fs::symlink(tool.path(), folder.join(tool.file_name()))?;
        }
        let compiled = Compiled::of(&self.name)?;
        std::os::unix::fs::symlink(&compiled.folder, folder.join("target"))?;
        // The versions that the project is tested with, and no look at a registry for newer ones.
        fs::copy(
            Path::new(ROOT).join("Cargo.lock"),
            folder.join("Cargo.lock"),
        )?;
        let adapter = folder.join("adapter.wasm");
        fs::write(&adapter, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?;
        let path = path_with_agent()?;
        let modules = go_modules()?;
        for step in &self.steps {
            match step {
                Step::Write { path, content } => {
                    let path = folder.join(path);
                    fs::create_dir_all(path.parent().context("a file without a folder")?)?;
                    fs::write(path, content)?;
                }
                Step::Run(line) if begins(line, &INSTALL) || !runs(line) => {}
                Step::Run(line) => {
                    let output = Command::new("sh")
                        .args(["-euc", line])
                        .current_dir(folder)
                        .env("PATH", &path)
                        .env("WIT", Path::new(ROOT).join("wit"))
                        .env("ADAPTER", &adapter)
                        .envs(modules.clone())
                        // The other tests leave a compiler less of the machine than an author has.
                        .env("EDGE_CACHE_LIMITS_COMPILE_DEADLINE", "600s")
                        .env("EDGE_CACHE_LIMITS_LOAD_DEADLINE", "60s")
                        // A chapter names the folder that cargo uses without this.
                        .env_remove("CARGO_TARGET_DIR")
                        .output()?;
                    let said = String::from_utf8_lossy(&output.stderr);
                    let told = String::from_utf8_lossy(&output.stdout);
                    if line.starts_with(ADD) && !output.status.success() {
                        println!("skipped: {line} fails here: {said}");
                        return Ok(false);
                    }
                    ensure!(output.status.success(), "{line}\n{told}{said}");
                }
            }
        }
        Ok(true)
    }
}

/// The target directory of cargo for a chapter, which stays. Nobody else uses it meanwhile.
struct Compiled {
    folder: PathBuf,
    _lock: File,
}

impl Compiled {
    fn of(chapter: &str) -> Result<Self> {
        let folder = target().join("guests/chapters").join(chapter);
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join(".lock"))?;
        lock.lock()?;
        Ok(Self {
            folder: fs::canonicalize(&folder)?,
            _lock: lock,
        })
    }
}

fn begins(line: &str, words: &[&str]) -> bool {
    words.iter().any(|words| line.starts_with(words))
}

/// Below the folder where guests are built, so that they share what was compiled for the others.
fn empty_folder() -> Result<tempfile::TempDir> {
    let guests = target().join("guests");
    fs::create_dir_all(&guests)?;
    Ok(tempfile::tempdir_in(guests)?)
}

fn path_with_agent() -> Result<OsString> {
    let agent = binary()?;
    let here = agent.parent().context("a binary without a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(here.to_path_buf()).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

/// Returns a chapter's instructions in order. A fence below a line with nothing but a path in backquotes and a
/// colon is that file; one of `sh` is commands, a line each.
///
/// # Errors
///
/// There is no such chapter, or a block in it that belongs to no file.
pub fn steps(guide: &str, chapter: &str) -> Result<Vec<Step>> {
    let heading = format!("\n## {chapter}\n");
    let start = format!("\n{guide}");
    let (_, text) = start
        .split_once(&heading)
        .with_context(|| format!("there is no chapter {chapter}"))?;
    let mut steps = Vec::new();
    let mut file = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("## ") {
            break;
        }
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                let path = line.strip_prefix('`').and_then(|l| l.strip_suffix("`:"));
                file = path.map(PathBuf::from);
            }
            continue;
        };
        let block = lines.by_ref().take_while(|line| *line != "```");
        match (file.take(), language) {
            (None, "sh") => steps.extend(block.map(|line| Step::Run(line.to_string()))),
            (Some(path), _) => {
                let content = block.map(|line| format!("{line}\n")).collect();
                steps.push(Step::Write { path, content });
            }
            (None, language) => bail!("{chapter}: a block of {language} that belongs to no file"),
        }
    }
    Ok(steps)
}
