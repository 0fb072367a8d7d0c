//! Requests that a generator makes of the description, in the long tests.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use edge_cache_tests::foreign::venv;
use edge_cache_tests::long_tests;
use tokio::process::Command;
use tokio::time::timeout;

/// The generator and all that it needs, pinned.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/openapi/requirements.txt");
/// Configuration file of Schemathesis.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/openapi/schemathesis.toml");
/// Maximum run time.
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
    let Some(programs) = venv("schemathesis", Path::new(REQUIREMENTS)).unwrap() else {
        return;
    };
    let agent = super::start(&[]).await;
    // The one operation has no end, another ends the agent, and the third takes no text that could be made up.
    let run = Command::new(programs.join("schemathesis"))
        // It leaves notes where it runs.
        .current_dir(&programs)
        .args(["--config-file", CONFIG])
        .args(["run", &format!("http://{}/openapi.json", agent.http)])
        .args(["--checks", CHECKS, "--max-examples", "60", "--seed", "1"])
        .args(["--exclude-operation-id", "follow_events"])
        .args(["--exclude-operation-id", "leave"])
        .args(["--exclude-operation-id", "swap_plugin"])
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
