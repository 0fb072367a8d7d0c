//! The Debian package, the image and the manifest for Kubernetes: each is installed or run as its users do, as root in
//! folders and mount namespaces of the test.

mod debian;
mod image;
mod kubernetes;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use edge_cache_tests::agent::{answer, binary, client};
use edge_cache_tests::debian::UMOCI;
use edge_cache_tests::long_tests;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/agent/package");
/// Time for an agent to become ready, compiling its plugin included.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Builds the package and the image of the tested agent, once. None, said on standard output, where tools are missing.
fn built() -> Result<Option<PathBuf>> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    if !long_tests() {
        println!("skipped: EDGE_CACHE_LONG_TESTS=1 compiles cargo-deb and makes the package");
        return Ok(None);
    }
    if !is_root() || UMOCI.program().is_none() {
        return Ok(None);
    }
    let agent = binary()?;
    let built = BUILT.get_or_init(|| {
        let mut build = nice(&format!("{PACKAGE}/build"));
        let built = run(build.arg("--agent").arg(agent).arg("--image"));
        built.map(drop).map_err(|error| format!("{error:#}"))
    });
    match built {
        Ok(()) => Ok(Some(Path::new(PACKAGE).join("out"))),
        Err(error) if error.contains("cargo-deb is missing") => {
            println!("skipped: {error}");
            Ok(None)
        }
        Err(error) => Err(anyhow!("{error}")),
    }
}

/// Returns whether users and mounts can be set up here; where not, says so on standard output.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped: only root can install and mount");
    }
    is_root
}

/// A program that compiles and compresses while other tests wait for agents: it takes what those leave.
fn nice(program: &str) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "19", program]);
    command
}

/// Runs a program to its end and returns what it printed on standard output.
fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| program.clone())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs an agent through a program until it is alive, then ends it.
async fn serves(launcher: Command) -> Result<()> {
    let mut child = tokio::process::Command::from(launcher)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().context("no pipe")?;
    let mut lines = BufReader::new(stdout).lines();
    let address = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = line.strip_prefix("http=") {
                return Ok(address.to_string());
            }
        }
        Err(anyhow!("it ended with {}", child.wait().await?))
    };
    let address = timeout(READY_WITHIN, address).await??;
    let livez = client(&[])?.get(format!("http://{address}/health/livez"));
    assert_eq!(answer(livez).await?.status, 200);
    child.kill().await?;
    Ok(())
}
