//! The walkthroughs of the pages: runs their commands and compares what they print.

use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use edge_cache_tests::agent::binary;
use edge_cache_tests::component::{reference_bytes, with_section};
use edge_cache_tests::registry::docker_registry;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/docs");
const BEGIN: &str = "<!-- walkthrough -->\n";
const END: &str = "<!-- /walkthrough -->\n";
/// The mark in the page for text that differs each time.
const ANY: char = '…';
/// Ports outside the ephemeral range, with as many digits as those in the page.
const PORTS: Range<u16> = 2_000..10_000;
/// The time limit of the whole walkthrough.
const WALKED_WITHIN: Duration = Duration::from_secs(150);

/// Commands, and the output that the page shows for them.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) commands: String,
    pub(crate) printed: String,
}

/// Returns the texts between the two marks.
fn walks(page: &str) -> impl Iterator<Item = &str> {
    page.split(BEGIN)
        .skip(1)
        .map(|rest| rest.split_once(END).expect("it ends somewhere").0)
}

/// Returns the blocks of commands of a walkthrough, each with the block of text behind it.
fn steps(walk: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut parts = walk.split("```");
    // Prose and blocks take turns.
    while let (Some(_), Some(block)) = (parts.next(), parts.next()) {
        let (kind, text) = block.split_once('\n').expect("a block has lines");
        match kind {
            "sh" => steps.push(Step {
                commands: text.to_string(),
                printed: String::new(),
            }),
            "text" => steps.last_mut().expect("commands come first").printed = text.to_string(),
            other => panic!("a block is of sh or text, not {other}"),
        }
    }
    steps
}

/// A port that is free on all addresses of loopback.
fn free_port(listens: impl Fn(u16) -> bool, taken: u16) -> u16 {
    let mut tries = std::iter::repeat_with(|| fastrand::u16(PORTS));
    let port = tries
        .by_ref()
        .take(1_000)
        .find(|port| *port != taken && listens(*port));
    port.expect("some port is free")
}

/// Returns `true` if a line matches the expected one, in which `…` matches any text.
fn matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split(ANY);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut is_exact = true;
    for part in parts {
        // Blanks fill each cell up to its width.
        let part = part.trim_start();
        let Some(place) = rest.find(part) else {
            return false;
        };
        rest = &rest[place + part.len()..];
        is_exact = false;
    }
    rest.is_empty() || (!is_exact && expected.ends_with(ANY))
}

#[test]
fn a_line_is_compared_as_a_whole() {
    for (expected, line, is_same) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a", "", false),
        ("│ 1 ┆ … │", "│ 1 ┆ 0123 │", true),
        ("│ 1 ┆ …   │", "│ 1 ┆ 0123 │", true),
        ("│ 1 ┆ … │", "│ 2 ┆ 0123 │", false),
        ("│ 1 ┆ … │", "│ 1 ┆ 0123", false),
        ("a …", "a b", true),
        ("… b", "a b c", false),
    ] {
        assert_eq!(matches(expected, line), is_same, "{expected} {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walkthroughs_print_what_the_page_shows() {
    for needed in ["openssl", "curl"] {
        if Command::new(needed).arg("--help").output().await.is_err() {
            println!("skipped: this machine has no {needed}");
            return;
        }
    }
    let walks = walks_of("operating.md");
    assert_eq!(walks.len(), 2);
    for steps in walks {
        let directory = tempfile::tempdir().unwrap();
        prints_what_it_shows(&steps, directory.path(), &[], WALKED_WITHIN).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walkthrough_of_plugins_prints_what_the_page_shows() {
    let Some(registry) = docker_registry(None, false).await.unwrap() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let plugin = reference_bytes().unwrap();
    let next = with_section(plugin, "note", b"next");
    std::fs::write(directory.path().join("registry.wasm"), plugin).unwrap();
    std::fs::write(directory.path().join("next.wasm"), next).unwrap();
    let port = ("5000", registry.address.port().to_string());
    let walks = walks_of("plugins.md");
    assert_eq!(walks.len(), 1);
    for steps in walks {
        let ports = std::slice::from_ref(&port);
        prints_what_it_shows(&steps, directory.path(), ports, WALKED_WITHIN).await;
    }
}

/// Returns the walkthroughs of a page.
pub(crate) fn walks_of(page: &str) -> Vec<Vec<Step>> {
    let page = std::fs::read_to_string(format!("{DOCS}/{page}")).unwrap();
    walks(&page).map(steps).collect()
}

/// Runs a walkthrough in a directory, with other ports than the page has.
pub(crate) async fn prints_what_it_shows(
    steps: &[Step],
    directory: &Path,
    ports: &[(&str, String)],
    within: Duration,
) {
    let gossip = free_port(|port| UdpSocket::bind(("0.0.0.0", port)).is_ok(), 0);
    let http = free_port(|port| TcpListener::bind(("0.0.0.0", port)).is_ok(), gossip);
    let own = |text: &str| {
        let mut text = text.to_string();
        let own = [("7946", gossip.to_string()), ("7947", http.to_string())];
        for (port, own) in own.iter().chain(ports) {
            text = text.replace(port, own);
        }
        text
    };
    // Processes that it started never outlive it.
    let mut script = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n".to_string();
    for (place, step) in steps.iter().enumerate() {
        script.push_str(&format!("echo '=== {place}'\n{}", own(&step.commands)));
    }

    let (code, stdout, stderr) = walk(&script, directory, within).await;
    let told = || {
        let folders = [directory.to_path_buf(), directory.join("spacious")];
        let logs: Vec<_> = folders
            .iter()
            .flat_map(|folder| (1..=3).map(|n| folder.join(format!("agent-{n}.log"))))
            .chain([directory.join("way-back.txt")])
            .filter_map(|log| std::fs::read_to_string(log).ok())
            .collect();
        format!("{stdout}\n{stderr}\n{}", logs.join("\n---\n"))
    };
    assert_eq!(code, Some(0), "{}", told());
    assert_eq!(stderr, "", "{}", told());
    let printed: Vec<&str> = stdout.split("=== ").skip(1).collect();
    assert_eq!(printed.len(), steps.len(), "{}", told());
    for (step, printed) in steps.iter().zip(printed) {
        let expected = own(&step.printed);
        let expected: Vec<&str> = expected.lines().collect();
        let printed: Vec<&str> = printed.lines().skip(1).collect();
        let mut lines = expected.iter().zip(&printed);
        let is_same = expected.len() == printed.len()
            && lines.all(|(expected, line)| matches(expected, line));
        assert!(is_same, "expected {expected:#?}, printed {printed:#?}");
    }
}

/// Runs a script in a directory, with the agent among the commands.
async fn walk(script: &str, directory: &Path, within: Duration) -> (Option<i32>, String, String) {
    let agent = binary().unwrap().parent().unwrap().to_str().unwrap();
    let path = std::env::var("PATH").unwrap();
    let (out, err) = (directory.join("stdout"), directory.join("stderr"));
    // To files: a pipe would stay open for as long as anything that it started.
    let file = |path: &Path| Stdio::from(std::fs::File::create(path).unwrap());
    let mut bash = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(directory)
        .env("PATH", format!("{agent}:{path}"))
        .env("LC_ALL", "C.UTF-8")
        // The other tests leave a compiler less of the machine than an author has.
        .env("EDGE_CACHE_LIMITS_COMPILE_DEADLINE", "600s")
        .env("EDGE_CACHE_LIMITS_LOAD_DEADLINE", "60s")
        // A page names the folder that cargo uses without this.
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&err))
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let group = Pid::from_raw(bash.id().unwrap().try_into().unwrap()).unwrap();
    let status = timeout(within, bash.wait()).await;
    // The group is gone where all has ended.
    let _ = kill_process_group(group, Signal::KILL);
    let code = status.ok().and_then(|status| status.unwrap().code());
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    (code, read(&out), read(&err))
}
