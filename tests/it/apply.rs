//! `apply`: the eligible nodes made those of a file, with a preview, and never over somebody else's change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use edge_cache_tests::agent::{Agent, Ended, binary, command, run_to_end};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATH: &str = "/api/v1/edge-cache/nodes";

fn list(nodes: &[(u64, u64)]) -> Value {
    let capacity = |disk: u64| json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": disk});
    let node = |(id, disk): &(u64, u64)| json!({"node_id": id, "capacity": capacity(*disk)});
    json!({"nodes": nodes.iter().map(node).collect::<Vec<_>>()})
}

/// An agent with the nodes 1, 2 and 3, and a directory for files.
struct Desk {
    agent: Agent,
    directory: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
        let body = list(&[(1, 10), (2, 20), (3, 30)]);
        let answer = agent.ask(Method::PUT, PATH, Some(&body)).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        Self {
            agent,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, content: &str) -> PathBuf {
        let file = self.directory.path().join("nodes.json");
        fs::write(&file, content).unwrap();
        file
    }

    async fn apply(&self, file: &Path, more: &[&str]) -> Ended {
        let at = self.agent.http.to_string();
        let words = ["apply", file.to_str().unwrap(), "--addr", &at];
        run_to_end(&[&words[..], more].concat()).await.unwrap()
    }

    async fn present(&self) -> Value {
        self.agent.get(PATH).await.unwrap()
    }
}

const DIFFERENCE: &str = "\
~ node 2: 1 core, 2 MiB RAM, 20 MiB disk -> 1 core, 2 MiB RAM, 21 MiB disk
- node 3: 1 core, 2 MiB RAM, 30 MiB disk
+ node 4: 1 core, 2 MiB RAM, 40 MiB disk
";

#[tokio::test]
async fn a_preview_shows_the_difference_and_changes_nothing() {
    let desk = Desk::new().await;
    let file = desk.file(&list(&[(1, 10), (2, 21), (4, 40)]).to_string());
    let before = desk.present().await;
    let shown = desk.apply(&file, &["--dry-run"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let summary = "1 to add, 1 to change, 1 to remove, 1 unchanged; nothing is done: --dry-run\n";
    assert_eq!(shown.stdout, format!("{DIFFERENCE}{summary}"));
    let json = desk.apply(&file, &["--dry-run", "--format", "json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["dry_run"], true, "{json}");
    assert_eq!(json["unchanged"], 1);
    assert_eq!(json["added"][0]["node_id"], 4);
    assert_eq!(json["changed"][0]["from"]["disk_mib"], 20);
    assert_eq!(json["changed"][0]["to"]["disk_mib"], 21);
    assert_eq!(json["removed"][0]["node_id"], 3);
    assert_eq!(desk.present().await, before);

    let done = desk.apply(&file, &[]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let summary = "1 added, 1 changed, 1 removed, 1 unchanged\n";
    assert_eq!(done.stdout, format!("{DIFFERENCE}{summary}"));
    let after = desk.present().await;
    assert_eq!(after["nodes"][0], before["nodes"][0]);
    assert_eq!(after["nodes"][1]["capacity"]["disk_mib"], 21);
    assert_eq!(after["nodes"][2]["node_id"], 4);
    let again = desk.apply(&file, &[]).await;
    assert_eq!(again.stdout, "0 added, 0 changed, 0 removed, 3 unchanged\n");
}

/// A list that `nodes` printed can be applied, unless it is a part of the list.
#[tokio::test]
async fn a_list_that_was_printed_is_applied_from_standard_input() {
    let desk = Desk::new().await;
    let at = desk.agent.http.to_string();
    let nodes = async |more: &[&str]| {
        let words = ["nodes", "--addr", &at, "--format", "json"];
        let ended = run_to_end(&[&words[..], more].concat()).await.unwrap();
        ended.stdout
    };
    let (whole, part) = (nodes(&[]).await, nodes(&["--limit", "2"]).await);
    let gone = desk
        .agent
        .ask(Method::DELETE, "/api/v1/nodes/2/edge-cache", None);
    assert_eq!(gone.await.unwrap().status, 204);
    let mut child = command(binary().unwrap())
        .args(["apply", "-", "--addr", &at])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(whole.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.starts_with(b"+ node 2: "), "{output:?}");

    let before = desk.present().await;
    let refused = desk.apply(&desk.file(&part), &[]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("a part of a list"), "{refused:?}");
    assert_eq!(desk.present().await, before);
}

#[tokio::test]
async fn a_file_that_makes_no_sense_is_refused_before_anything_is_asked() {
    let desk = Desk::new().await;
    let before = desk.present().await;
    let zero = json!({"cpu_cores": 0, "ram_mib": 0, "disk_mib": 0});
    let large = format!("{{\"nodes\":[{}]}}", " ".repeat(16 * 1024 * 1024));
    for (content, said) in [
        ("", "no list of nodes"),
        ("{\"nodes\":[", "no list of nodes"),
        ("[]", "expected an object"),
        ("{}", "missing field `nodes`"),
        ("{\"nodes\":[],\"more\":1}", "unknown field `more`"),
        (
            &list(&[(1, 1), (1, 2)]).to_string(),
            "node 1 is listed twice",
        ),
        (
            &json!({"nodes": [{"node_id": 7, "capacity": zero}]}).to_string(),
            "node 7: cpu_cores, ram_mib and disk_mib are all zero",
        ),
        (&large, "at most 16 MiB"),
    ] {
        for more in [&[][..], &["--dry-run"]] {
            let ended = desk.apply(&desk.file(content), more).await;
            assert_eq!(ended.code, Some(2), "{said}: {ended:?}");
            assert!(ended.stderr.contains(said), "{said}: {ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
            assert_eq!(ended.stdout, "");
        }
    }
    let ended = desk.apply(Path::new("/nonexistent"), &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(desk.present().await, before);
}

/// A part of a list would disable all nodes that are not in it.
#[tokio::test]
async fn a_part_of_a_list_is_refused() {
    let desk = Desk::new().await;
    let before = desk.present().await;
    let at = desk.agent.http.to_string();
    for part in [["--limit", "2"], ["--after", "1"], ["--geo", "eu"]] {
        let words = ["nodes", "--format", "json", "--addr", &at];
        let printed = run_to_end(&[&words[..], &part].concat()).await.unwrap();
        assert_eq!(printed.code, Some(0), "{printed:?}");
        let ended = desk.apply(&desk.file(&printed.stdout), &[]).await;
        assert_eq!(ended.code, Some(2), "{part:?}: {ended:?}");
        let said = "this is a part of a list, and would remove all other nodes";
        assert!(ended.stderr.contains(said), "{part:?}: {ended:?}");
    }
    // The pages of the API too.
    let page = desk.agent.get(&format!("{PATH}?after=1")).await.unwrap();
    let answer = desk
        .agent
        .ask(Method::PUT, PATH, Some(&page))
        .await
        .unwrap();
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(desk.present().await, before);
}

/// A change that somebody else makes between reading the list and replacing it is not lost.
#[tokio::test]
async fn a_change_meanwhile_is_a_refusal() {
    let desk = Desk::new().await;
    let between = Between::new(desk.agent.http).await;
    let file = desk.file(&list(&[(1, 10)]).to_string());
    let file = file.to_str().unwrap().to_string();
    let at = between.at.to_string();
    let applied = tokio::spawn(async move {
        let words = ["apply", &file, "--addr", &at];
        run_to_end(&words).await.unwrap()
    });
    let (mut put, head) = between.until_put().await;
    let body = json!({"capacity": {"cpu_cores": 9, "ram_mib": 9, "disk_mib": 9}});
    let path = "/api/v1/nodes/9/edge-cache";
    let enabled = desk.agent.ask(Method::POST, path, Some(&body)).await;
    assert_eq!(enabled.unwrap().status, 204);
    let before = desk.present().await;
    let mut agent = TcpStream::connect(desk.agent.http).await.unwrap();
    agent.write_all(&head).await.unwrap();
    // The agent or the command may close first.
    let _ = tokio::io::copy_bidirectional(&mut put, &mut agent).await;
    let ended = applied.await.unwrap();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended.stderr.contains("412") && ended.stderr.contains("nothing is changed"),
        "{ended:?}"
    );
    assert_eq!(desk.present().await, before);
}

/// A proxy that passes on what is read, and holds a `PUT`.
struct Between {
    at: std::net::SocketAddr,
    put: tokio::sync::mpsc::Receiver<(TcpStream, Vec<u8>)>,
}

impl Between {
    async fn new(agent: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (held, put) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut upstream = TcpStream::connect(agent).await.unwrap();
                loop {
                    let Some(head) = head(&mut client).await else {
                        break;
                    };
                    if head.starts_with(b"PUT") {
                        held.send((client, head)).await.unwrap();
                        break;
                    }
                    upstream.write_all(&head).await.unwrap();
                    let answer = response(&mut upstream).await;
                    client.write_all(&answer).await.unwrap();
                }
            }
        });
        Self { at, put }
    }

    async fn until_put(mut self) -> (TcpStream, Vec<u8>) {
        self.put.recv().await.unwrap()
    }
}

/// Reads the head of a message; none where the connection ends before.
async fn head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(head)
}

/// Reads a response whose length its head says.
async fn response(stream: &mut TcpStream) -> Vec<u8> {
    let mut response = head(stream).await.unwrap();
    let text = String::from_utf8_lossy(&response).to_lowercase();
    let (_, length) = text.split_once("content-length: ").unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    response.extend(body);
    response
}
