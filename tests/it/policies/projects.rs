//! `plugin new`: its projects, and the page that leads from one to a cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edge_cache_tests::agent::{Ended, binary, command};
use edge_cache_tests::guide::{Chapter, Step as GuideStep, steps};
use edge_cache_tests::long_tests;
use edge_cache_tests::registry::docker_registry;
use insta::assert_snapshot;
use tempfile::TempDir;

use crate::walkthrough::{Step, prints_what_it_shows, walks_of};

/// Largest number of lines of a policy that its author reads and changes.
const OWN_LINES_MAX: usize = 25;
/// The time limits of the walks.
const WALKED_WITHIN: Duration = Duration::from_secs(600);
const WALKED_IN_LONG_MODE: Duration = Duration::from_secs(3_600);

/// Runs `plugin new` in a folder.
async fn new(folder: &Path, args: &[&str]) -> Result<Ended> {
    let output = command(binary()?)
        .args(["plugin", "new"])
        .args(args)
        .current_dir(folder)
        .output()
        .await?;
    Ok(Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

async fn project(folder: &Path, args: &[&str]) -> Result<PathBuf> {
    let ended = new(folder, args).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    Ok(folder.join("mine"))
}

#[tokio::test]
async fn a_project_never_replaces_a_folder_and_has_a_plain_name() -> Result<()> {
    let folder = TempDir::new()?;
    let project = project(folder.path(), &["--lang", "js", "mine"]).await?;
    std::fs::write(project.join("policy.js"), "my work")?;
    let again = new(folder.path(), &["--lang", "rust", "mine"]).await?;
    assert_eq!(again.code, Some(2));
    assert_snapshot!(again.stderr.trim_end(), @"edge-cache-agent: mine exists already: choose another name");
    assert_eq!(
        std::fs::read_to_string(project.join("policy.js"))?,
        "my work"
    );
    for name in ["", "Mine", "1st", "a/b", "../up", "my_policy"] {
        let wrong = new(folder.path(), &["--lang", "rust", name]).await?;
        assert_eq!(wrong.code, Some(2), "{name}");
        let told = "a name begins with a lowercase letter, and has at most 64 of these, digits and hyphens";
        assert!(wrong.stderr.contains(told), "{name}: {}", wrong.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_policy_of_each_language_is_short() -> Result<()> {
    for (lang, source) in [
        ("rust", "src/lib.rs"),
        ("python", "app.py"),
        ("js", "policy.js"),
    ] {
        let folder = TempDir::new()?;
        let project = project(folder.path(), &["--lang", lang, "mine"]).await?;
        let code = std::fs::read_to_string(project.join(source))?;
        let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= OWN_LINES_MAX, "{lang}: {lines} lines");
        let readme = std::fs::read_to_string(project.join("README.md"))?;
        assert!(
            readme.starts_with("# mine\n") && !readme.contains("{{"),
            "{readme}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_registries_are_those_of_the_guide() -> Result<()> {
    for (lang, chapter, source, in_guide) in [
        ("rust", "In Rust", "src/lib.rs", "src/lib.rs"),
        ("python", "In Python", "app.py", "src/app.py"),
        ("js", "In JavaScript", "registry.js", "registry.js"),
    ] {
        let folder = TempDir::new()?;
        let project = project(folder.path(), &["--lang", lang, "--registry", "mine"]).await?;
        let chapter = Chapter::of_guide(chapter)?;
        let file = chapter
            .file(in_guide)
            .context("the chapter has no such file")?;
        assert_eq!(
            std::fs::read_to_string(project.join(source))?,
            file,
            "{lang}"
        );
        assert!(project.join("wit/world.wit").exists(), "{lang}");
        // Its commands are those of the chapter.
        let readme = std::fs::read_to_string(project.join("README.md"))?;
        for step in steps(&readme, "Build")? {
            let GuideStep::Run(line) = step else { continue };
            let line = line.replace("mine.wasm", "registry.wasm");
            let line = line.replace("componentize app ", "componentize app --python-path src ");
            let line = line.replace(
                "release/registry.wasm registry.wasm",
                "release/registry.wasm .",
            );
            assert!(chapter.commands().any(|its| its == line), "{lang}: {line}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_in_rust_comes_to_a_cluster_as_the_page_says() -> Result<()> {
    let steps = walks_of("policies.md").pop().context("no walkthrough")?;
    walk(&steps, WALKED_WITHIN).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_in_python_comes_to_a_cluster_as_the_page_says() -> Result<()> {
    walk_in("python", "Python", "app.py").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_in_javascript_comes_to_a_cluster_as_the_page_says() -> Result<()> {
    walk_in("js", "JavaScript", "policy.js").await
}

/// Walks in another language than that of the page: with the commands of the project's own page.
async fn walk_in(lang: &str, language: &str, source: &str) -> Result<()> {
    // An interpreter is compiled by the command and by each agent.
    if !long_tests() {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let project = project(folder.path(), &["--lang", lang, "mine"]).await?;
    let readme = std::fs::read_to_string(project.join("README.md"))?;
    let lines = steps(&readme, "Build")?.into_iter().map(|step| match step {
        GuideStep::Run(line) => line.replace("mine", "spacious") + "\n",
        GuideStep::Write { .. } => String::new(),
    });
    let build = format!("{{\n{}}} > build.txt 2>&1\n", lines.collect::<String>());
    let mut walked = walks_of("policies.md").pop().context("no walkthrough")?;
    for step in &mut walked {
        if step.commands.contains("cargo build") {
            step.commands = build.clone();
        }
        step.commands = step
            .commands
            .replace("--lang rust", &format!("--lang {lang}"));
        step.commands = step.commands.replace("src/lib.rs", source);
        step.printed = step.printed.replace("in Rust", &format!("in {language}"));
        step.printed = step
            .printed
            .replace("src/lib.rs  ", &format!("{source:<12}"));
    }
    walk(&walked, WALKED_IN_LONG_MODE).await
}

async fn walk(steps: &[Step], within: Duration) -> Result<()> {
    let Some(registry) = docker_registry(None, false).await? else {
        return Ok(());
    };
    let directory = TempDir::new()?;
    let port = ("5000", registry.address.port().to_string());
    prints_what_it_shows(steps, directory.path(), &[port], within).await;
    Ok(())
}
