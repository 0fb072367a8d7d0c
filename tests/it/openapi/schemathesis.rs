//! Requests that a generator makes of the description, in the long tests.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use edge_cache_tests::long_tests;
use tokio::process::Command;
use tokio::time::timeout;

/// The generator and all that it needs, pinned.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/openapi/requirements.txt");
/// What it is told beside its arguments.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/openapi/schemathesis.toml");
/// How long it may take to be set up.
const SET_UP_WITHIN: Duration = Duration::from_secs(300);
/// How long it may run.
const RUN_WITHIN: Duration = Duration::from_secs(400);

/// Every status, media type and body that it gets out of the agent must be described, and none may be a
/// failure of the agent's.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";

#[tokio::test]
async fn what_a_generator_asks_is_answered_as_described() {
    if !long_tests() {
        return;
    }
    let generator = match set_up().await {
        Ok(generator) => generator,
        Err(error) => {
            println!("skipped: schemathesis can't be set up here: {error:#}");
            return;
        }
    };
    let agent = super::start().await;
    // The one operation has no end, the other one ends the agent.
    let run = Command::new(&generator)
        // It leaves notes where it runs.
        .current_dir(generator.parent().unwrap())
        .args(["--config-file", CONFIG])
        .args(["run", &format!("http://{}/openapi.json", agent.http)])
        .args(["--checks", CHECKS, "--max-examples", "60", "--seed", "1"])
        .args(["--exclude-operation-id", "follow_events"])
        .args(["--exclude-operation-id", "leave"])
        .args([
            "--phases",
            "examples,coverage,fuzzing,stateful",
            "--no-color",
        ])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(RUN_WITHIN, run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}");
    assert_eq!(agent.terminate().await.unwrap(), Some(0));
}

/// A generator in an environment of its own beside what cargo builds.
async fn set_up() -> Result<PathBuf> {
    let place = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/schemathesis"
    ));
    let program = place.join("bin/schemathesis");
    if !program.exists() {
        let venv = ["-m", "venv"].map(str::to_string);
        let place = place.display().to_string();
        run("python3", venv.into_iter().chain([place.clone()])).await?;
        let pip = format!("{place}/bin/pip");
        let install = [
            "install",
            "--quiet",
            "--only-binary=:all:",
            "-r",
            REQUIREMENTS,
        ];
        run(&pip, install.map(str::to_string)).await?;
    }
    Ok(program)
}

async fn run(program: &str, args: impl IntoIterator<Item = String>) -> Result<()> {
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(SET_UP_WITHIN, child).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {said}");
    Ok(())
}
