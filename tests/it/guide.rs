//! The author's guide leads to a checked plugin, in each of its languages.

use anyhow::{Context, Result, ensure};
use edge_cache_tests::agent::{Agent, run_to_end};
use edge_cache_tests::foreign::installed;
use edge_cache_tests::guide::{Chapter, Step, steps};
use edge_cache_tests::long_tests;

#[test]
fn the_guide_leads_to_a_component_in_rust_and_to_a_policy_of_its_own() -> Result<()> {
    let chapter = Chapter::of_guide("In Rust")?.then("Your own policy")?;
    chapter.follow().map(drop)
}

#[test]
fn the_guide_leads_to_a_component_in_python() -> Result<()> {
    follow_if_long("In Python")
}

#[test]
fn the_guide_leads_to_a_component_in_javascript() -> Result<()> {
    follow_if_long("In JavaScript")
}

#[test]
fn the_guide_leads_to_a_component_in_c() -> Result<()> {
    follow_if_long("In C")
}

#[test]
fn the_guide_leads_to_a_component_in_go() -> Result<()> {
    follow_if_long("In Go")
}

/// The first command is the agent, and the others are for another shell.
#[tokio::test]
async fn the_guide_runs_a_component_in_an_agent() -> Result<()> {
    let Some(component) = Chapter::of_guide("In Rust")?.component()? else {
        return Ok(());
    };
    let component = component.to_str().context("a path that is no text")?;
    let chapter = Chapter::of_guide("Run it")?;
    let mut commands = chapter.commands().map(|line| {
        let words = line.split_whitespace().skip(1);
        let words = words.map(|word| {
            if word == "registry.wasm" {
                component
            } else {
                word
            }
        });
        words.collect::<Vec<_>>()
    });
    let agent = Agent::start(&commands.next().context("no command")?).await?;
    let address = agent.http.to_string();
    let mut printed = String::new();
    for command in commands {
        let ended = run_to_end(&[&command[..], &["--addr", &address]].concat()).await?;
        ensure!(ended.code == Some(0), "{command:?}: {ended:?}");
        printed.push_str(&ended.stdout);
    }
    ensure!(printed.contains("node 1 is enabled"), "{printed}");
    ensure!(printed.contains("│ 1    ┆ 4     ┆ 8192"), "{printed}");
    ensure!(printed.contains("│ state    ┆ running"), "{printed}");
    Ok(())
}

/// Follows a chapter whose compiler or engine takes a test machine a minute.
fn follow_if_long(chapter: &str) -> Result<()> {
    if !long_tests() {
        println!("skipped: EDGE_CACHE_LONG_TESTS=1 runs it");
        return Ok(());
    }
    Chapter::of_guide(chapter)?.follow().map(drop)
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

/// A registry out of reach is not the guide's fault; another content of a pinned version is one of somebody's.
#[test]
fn tools_that_cannot_be_had_are_left_out_and_other_ones_are_an_error() -> Result<()> {
    if std::env::var_os("EDGE_CACHE_NO_INSTALL").is_some() {
        return Ok(());
    }
    let missing = installed("a tool", &["echo 'no such host' >&2", "false"])?;
    assert_eq!(missing, None);
    let other = installed("a tool", &["echo 'code EINTEGRITY' >&2", "false"]).unwrap_err();
    assert!(other.to_string().contains("code EINTEGRITY"), "{other}");
    Ok(())
}
