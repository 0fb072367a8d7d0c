//! `config check` and `run` agree: for each wrong setting both refuse with the same text, or both start.

mod cases;

use std::process::Stdio;
use std::time::Duration;

use edge_cache_tests::agent::{self, Agent, binary, run_within};
use futures_util::{StreamExt, stream};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use self::cases::{Case, Files, Outcome, cases};

/// Maximum time for an agent to start or to refuse, on a loaded machine.
const DECIDED_WITHIN: Duration = Duration::from_secs(120);
/// The number of cases at a time.
const AT_ONCE: usize = 2;

/// The result of a process.
#[derive(Debug)]
struct Said {
    is_good: bool,
    text: String,
}

#[tokio::test]
async fn a_check_and_a_run_agree_about_every_wrong_setting() {
    let files = Files::new().await;
    let data = files.path("used");
    let holder = Agent::start(&["--node-id", "1", "--data-dir", &data])
        .await
        .unwrap();
    let cases = cases(&files);
    assert!(cases.len() >= 40, "{}", cases.len());
    let problems: Vec<String> = stream::iter(&cases)
        .map(judge)
        .buffer_unordered(AT_ONCE)
        .filter_map(async |judged| judged.err())
        .collect()
        .await;
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    println!("{} wrong settings", cases.len());
    assert_eq!(holder.terminate().await.unwrap(), Some(0));
}

async fn judge(case: &Case) -> Result<(), String> {
    let (check, run) = (check(case).await, run(case).await);
    let name = &case.name;
    let wrong = |what: &str| {
        Err(format!(
            "{name}: {what}\n  check: {check:?}\n  run: {run:?}"
        ))
    };
    if check.is_good != run.is_good {
        return wrong("they do not agree");
    }
    match &case.outcome {
        Outcome::Refused(said) => {
            let Some(reason) = reason(&run.text) else {
                return wrong("no reason");
            };
            if run.is_good || !reason.contains(said) {
                return wrong(&format!("not refused with {said:?}"));
            }
            if !check.text.contains(reason) {
                return wrong(&format!("the check does not say {reason:?}"));
            }
        }
        Outcome::Starts(said) => {
            if !run.is_good {
                return wrong("refused");
            }
            if ![&check, &run].iter().all(|it| it.text.contains(said)) {
                return wrong(&format!("not both say {said:?}"));
            }
        }
    }
    println!("{name}: {:?}", case.outcome);
    Ok(())
}

/// Returns the reason in the last line of a run, without the hint at the help.
fn reason(stderr: &str) -> Option<&str> {
    let line = stderr.trim_end().lines().last()?;
    let reason = line.strip_prefix("edge-cache-agent: ")?;
    let (reason, _) = reason.split_once("; see `").unwrap_or((reason, ""));
    Some(reason)
}

async fn check(case: &Case) -> Said {
    let output = command(case, &["config", "check"]).output();
    let output = timeout(DECIDED_WITHIN, output).await.unwrap().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        is_good: output.status.success(),
        text: String::from_utf8(text).unwrap(),
    }
}

/// Runs an agent until it serves or ends.
async fn run(case: &Case) -> Said {
    let mut child = command(case, &["run"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut stderr = child.stderr.take().unwrap();
    let serves = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("http=") {
                return true;
            }
        }
        false
    };
    let is_good = timeout(DECIDED_WITHIN, serves).await.unwrap();
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
        // An end in order, so that it writes its whole log. Nothing happens where it has ended.
        let _ = kill_process(pid, Signal::TERM);
    }
    let mut text = String::new();
    let ended = timeout(DECIDED_WITHIN, stderr.read_to_string(&mut text));
    ended.await.unwrap().unwrap();
    let status = child.wait().await.unwrap();
    assert!(
        is_good || status.code().is_some_and(|code| code != 0),
        "{status}: {text}"
    );
    Said { is_good, text }
}

fn command(case: &Case, command: &[&str]) -> Command {
    let mut process = agent::command(binary().unwrap());
    process
        .args(command)
        .args(&case.args)
        .envs(case.variable)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    process
}

#[tokio::test]
async fn a_check_changes_nothing_in_a_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let path = data.to_str().unwrap();
    let args = ["--node-id", "1", "--data-dir", path];
    let agent = Agent::start(&args).await.unwrap();
    assert_eq!(agent.terminate().await.unwrap(), Some(0));
    let file = data.join("registry.redb");
    let before = std::fs::read(&file).unwrap();
    let args = [&["config", "check"], &args[..]].concat();
    let ended = run_within(&args, DECIDED_WITHIN).await.unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(before == std::fs::read(&file).unwrap());
}
