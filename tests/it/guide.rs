//! The author's guide leads to a checked plugin, in each of its languages.

use anyhow::Result;
use edge_cache_tests::guide::{Chapter, Step, steps};
use edge_cache_tests::long_tests;

#[test]
fn the_guide_leads_to_a_component_in_rust() -> Result<()> {
    follow("In Rust")
}

#[test]
fn the_guide_leads_to_a_component_in_python() -> Result<()> {
    follow("In Python")
}

#[test]
fn the_guide_leads_to_a_component_in_javascript() -> Result<()> {
    // Compiling the engine in it takes a test machine a minute.
    if !long_tests() {
        return Ok(());
    }
    follow("In JavaScript")
}

#[test]
fn the_guide_leads_to_a_component_in_c() -> Result<()> {
    follow("In C")
}

#[test]
fn the_guide_leads_to_a_component_in_go() -> Result<()> {
    follow("In Go")
}

fn follow(chapter: &str) -> Result<()> {
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
