//! The author's guide, `wit/README.md`: from an empty folder to a checked component, by its own commands.
//!
//! A chapter's files and commands are taken out of the text and carried out in its order. All that they are
//! given is `WIT`, the folder of the contract, and the agent on the `PATH`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use edge_cache_tests::agent::binary;
use edge_cache_tests::foreign::{target, venv};

/// First words of the command that a chapter leads to.
const CHECK: &str = "edge-cache-agent plugin check ";
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Pinned version of the guide's Python requirement.
const REQUIREMENTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/guests/python/requirements.txt"
);

/// Instruction of a chapter to its reader.
#[derive(Debug, PartialEq)]
enum Step {
    /// To write a file.
    Write { path: PathBuf, content: String },
    /// To run a command.
    Run(String),
}

#[test]
fn the_guide_leads_to_a_component_in_rust() -> Result<()> {
    if !has_target()? {
        return Ok(());
    }
    let folder = empty_folder()?;
    // The versions that the project is tested with, and no look at a registry for newer ones.
    let lock = Path::new(ROOT).join("Cargo.lock");
    fs::copy(lock, folder.path().join("Cargo.lock"))?;
    follow("In Rust", folder.path())
}

#[test]
fn the_guide_leads_to_a_component_in_python() -> Result<()> {
    // Where this can't be set up, the guide's own commands can't be run either.
    if venv("componentize-py", Path::new(REQUIREMENTS))?.is_none() {
        return Ok(());
    }
    let folder = empty_folder()?;
    follow("In Python", folder.path())
}

#[test]
fn steps_are_files_and_commands_of_one_chapter() {
    let guide = "# G\n\n```sh\nno\n```\n\n## A\n\nText.\n\n`a/b.txt`:\n\n```text\none\n\ntwo\n```\n\n\
                 ```sh\nfirst\nsecond  # why\n```\n\n## B\n\n```sh\nno\n```\n";
    let write = Step::Write {
        path: "a/b.txt".into(),
        content: "one\n\ntwo\n".to_string(),
    };
    let run = |line: &str| Step::Run(line.to_string());
    assert_eq!(
        steps(guide, "A").unwrap(),
        [write, run("first"), run("second  # why")]
    );
    let stray = "## A\n\nSee:\n\n```rust\nfn main() {}\n```\n";
    assert!(steps(stray, "A").is_err(), "code that belongs to no file");
    assert!(steps(guide, "C").is_err(), "no such chapter");
}

/// Adds the target of the guide, as its first command does. Says why that is not possible here, if so.
fn has_target() -> Result<bool> {
    if std::env::var_os("EDGE_CACHE_NO_INSTALL").is_some_and(|value| value == "1") {
        println!("skipped: EDGE_CACHE_NO_INSTALL=1 forbids to add the target of the guide");
        return Ok(false);
    }
    let added = Command::new("rustup")
        .args(["target", "add", "wasm32-wasip2"])
        .output();
    let reason = match added {
        Ok(added) if added.status.success() => return Ok(true),
        Ok(added) => String::from_utf8(added.stderr)?,
        Err(error) => error.to_string(),
    };
    println!("skipped: rustup cannot add the target of the guide: {reason}");
    Ok(false)
}

fn follow(chapter: &str, folder: &Path) -> Result<()> {
    let guide = fs::read_to_string(Path::new(ROOT).join("wit/README.md"))?;
    let path = path_with_agent()?;
    let mut is_checked = false;
    for step in steps(&guide, chapter)? {
        match step {
            Step::Write { path, content } => {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().context("a file without a folder")?)?;
                fs::write(path, content)?;
            }
            Step::Run(line) => {
                is_checked |= line.starts_with(CHECK);
                let output = Command::new("sh")
                    .args(["-euc", &line])
                    .current_dir(folder)
                    .env("PATH", &path)
                    .env("WIT", Path::new(ROOT).join("wit"))
                    // A chapter names the folder that cargo uses without this.
                    .env_remove("CARGO_TARGET_DIR")
                    .output()?;
                let said = String::from_utf8_lossy(&output.stderr);
                let told = String::from_utf8_lossy(&output.stdout);
                ensure!(output.status.success(), "{line}\n{told}{said}");
            }
        }
    }
    ensure!(
        is_checked,
        "{chapter} does not end with a checked component"
    );
    Ok(())
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
fn steps(guide: &str, chapter: &str) -> Result<Vec<Step>> {
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
