use std::net::SocketAddr;
use std::sync::Mutex;

use axum::routing::{get, post};
use futures_util::stream::repeat;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::http::bodies::BodyBudget;
use crate::http::extract::Json;
use crate::http::guard::{Guard, Hosts};
use crate::http::limits::{
    HEADERS_BYTES_MAX, HEADERS_MAX, HEADERS_TIMEOUT, HEALTH_HEADERS_TIMEOUT,
};
use crate::http::router::{refuse_others, with_middlewares};
use crate::metrics::HttpMetrics;

/// How long anything here may take before it counts as stuck; less than any limit of the server.
const STUCK: Duration = Duration::from_secs(4);
const MIB: usize = 1024 * 1024;

struct Server {
    address: SocketAddr,
    /// Told when a request to `/slow` is under way.
    entered: oneshot::Receiver<()>,
    /// Lets that request end.
    leave: oneshot::Sender<()>,
    stop: oneshot::Sender<()>,
    metrics: ListenerMetrics,
    task: JoinHandle<()>,
}

async fn start() -> Server {
    start_with(256).await
}

async fn start_with(connections: usize) -> Server {
    start_for(connections, HEADERS_TIMEOUT).await
}

async fn start_for(connections: usize, headers_timeout: Duration) -> Server {
    let (enter, entered) = oneshot::channel();
    let (leave, left) = oneshot::channel::<()>();
    let (stop, stopped) = oneshot::channel::<()>();
    let once = Arc::new(Mutex::new(Some((enter, left))));
    let slow = async move || {
        let (enter, left) = once.lock().unwrap().take().unwrap();
        enter.send(()).unwrap();
        left.await.unwrap();
        "done"
    };
    let endless = async || Body::from_stream(repeat(Ok::<_, Infallible>("again")));
    let routes = Router::new()
        .route("/", post(async |_: Json<Value>| "taken"))
        .route("/fast", get(async || "fast"))
        .route("/large", get(async || vec![b'x'; 16 * MIB]))
        .route("/slow", get(slow))
        .route("/endless", get(endless))
        .route("/panic-later", get(panic_later))
        .route("/panic", get(async || panic_with("on purpose")))
        .with_state(BodyBudget::new(0));
    let routes = with_middlewares(
        refuse_others(routes),
        HttpMetrics::default(),
        Guard::without_page(Hosts::Local),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = Listening {
        listener,
        tls: None,
        connections,
        headers_timeout,
        headers_bytes: HEADERS_BYTES_MAX,
        headers_max: HEADERS_MAX,
        allow: Vec::new(),
    };
    let metrics = ListenerMetrics::default();
    let serving = serve(listening, routes, metrics.clone(), async move {
        stopped.await.unwrap_or_default();
    });
    Server {
        address,
        entered,
        leave,
        stop,
        metrics,
        task: tokio::spawn(serving),
    }
}

/// Answers with a body whose stream panics.
async fn panic_later() -> Body {
    let part = stream::once(async { Ok::<_, Infallible>(panic_with("on purpose")) });
    Body::from_stream(part)
}

fn panic_with(message: &str) -> &'static str {
    panic!("{message}")
}

/// Writes all of the request before it reads, as simple clients do.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    timeout(STUCK, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

fn head(first_line: &str, header: &str) -> Vec<u8> {
    format!(
        "{first_line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {header}\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_body_that_is_far_too_large_gets_its_answer() {
    let server = start().await;
    let body = vec![b' '; 10 * MIB];

    let mut known = head("POST /", &format!("content-length: {}", body.len()));
    known.extend_from_slice(&body);

    let mut chunked = head("POST /", "transfer-encoding: chunked");
    for chunk in body.chunks(MIB) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");

    for request in [known, chunked] {
        let answer = exchange(server.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("/problems/body-too-large"), "{answer}");
    }
}

/// Reads until this much of the answers has come.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answers = Vec::new();
    let whole = async {
        while !answers.ends_with(end.as_bytes()) {
            let count = stream.read_buf(&mut answers).await.unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&answers));
        }
    };
    timeout(STUCK, whole).await.unwrap();
    String::from_utf8(answers).unwrap()
}

#[tokio::test]
async fn a_head_is_answered_as_a_get_without_its_body() {
    let server = start().await;
    for (path, length) in [("/fast", 4), ("/large", 16 * MIB)] {
        let answer = exchange(server.address, &head(&format!("HEAD {path}"), "x: y")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let length = format!("\r\ncontent-length: {length}\r\n");
        assert!(answer.contains(&length), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    // Nothing of a body is left in the way of what comes after it.
    let mut requests = String::new();
    for target in ["HEAD /endless", "HEAD /large", "HEAD /missing"] {
        requests += &format!("{target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }
    requests += "GET /fast HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answers = exchange(server.address, requests.as_bytes()).await;
    let answers: Vec<&str> = answers.split("\r\n\r\n").collect();
    let [endless, large, missing, fast, "fast"] = answers[..] else {
        panic!("{answers:?}")
    };
    for (answer, status) in [(endless, 200), (large, 200), (missing, 404), (fast, 200)] {
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let server = start().await;
    let request = head(
        "GET /fast",
        &format!("x: {}", "y".repeat(HEADERS_BYTES_MAX)),
    );
    let answer = exchange(server.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_request_that_is_worked_on_is_never_cut_off() {
    let server = start_with(1).await;
    let address = server.address;
    // It has a body that nobody asks for.
    let request = head("GET /slow", "content-length: 1");
    let request = [&request[..], b"x"].concat();
    let request = tokio::spawn(async move { exchange(address, &request).await });
    server.entered.await.unwrap();
    let mut late = TcpStream::connect(server.address).await.unwrap();
    late.write_all(&head("GET /fast", "x: y")).await.unwrap();
    let mut answer = String::new();
    let waiting = timeout(Duration::from_millis(200), late.read_to_string(&mut answer)).await;
    assert!(waiting.is_err(), "{answer}");

    server.leave.send(()).unwrap();
    assert!(request.await.unwrap().ends_with("done"));
    timeout(STUCK, late.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn the_answer_in_plain_text_is_whole() {
    let text = std::str::from_utf8(NOT_TLS).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())));
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], 400);
}

#[tokio::test]
async fn a_request_under_way_ends_before_the_server_does() {
    let server = start().await;
    let address = server.address;
    let request = tokio::spawn(async move { exchange(address, &head("GET /slow", "x: y")).await });
    server.entered.await.unwrap();
    server.stop.send(()).unwrap();
    // The port is closed at once, the request goes on.
    timeout(STUCK, async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(!server.task.is_finished());

    server.leave.send(()).unwrap();
    assert!(request.await.unwrap().ends_with("done"));
    timeout(STUCK, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let server = start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    // One whose body is still to come has its answer too.
    let mut early = TcpStream::connect(server.address).await.unwrap();
    early
        .write_all(b"POST /missing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut early, "}").await;
    server.stop.send(()).unwrap();
    timeout(STUCK, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_came_before_the_body_arrives_and_closes_the_connection() {
    let server = start().await;
    let part = vec![b' '; MIB];
    // Unknown, wrong method, not wanted, wrong type, and too large.
    let early = [
        ("POST /missing", "x: y", 404),
        ("PUT /fast", "x: y", 405),
        ("GET /fast", "x: y", 200),
        ("POST /", "content-type: text/plain", 415),
        ("POST /", "content-type: application/json", 413),
    ];
    for (line, header, status) in early {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\n{header}\r\ncontent-length: {}\r\n\r\n",
            2 * MIB
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&part).await.unwrap();
        stream.write_all(&part).await.unwrap();
        let mut answer = String::new();
        let read = timeout(STUCK, stream.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_asked_for_leaves_the_connection_open() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
        content-type: application/json\r\ncontent-length: 2\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(head.as_bytes()).await.unwrap();
        let asked = read_until(&mut stream, "\r\n\r\n").await;
        assert!(asked.starts_with("HTTP/1.1 100 "), "{asked}");
        stream.write_all(b"{}").await.unwrap();
        let answer = read_until(&mut stream, "taken").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(!answer.contains("\r\nconnection: "), "{answer}");
    }
}

#[tokio::test]
async fn the_rest_of_a_body_is_not_read_for_ever() {
    let server = start().await;
    let head = b"POST /missing HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut endless = TcpStream::connect(server.address).await.unwrap();
    endless.write_all(head).await.unwrap();
    let answer = read_until(&mut endless, "}").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let cut_off = async { while endless.write_all(b"1\r\n \r\n").await.is_ok() {} };
    timeout(LINGER_TIMEOUT + STUCK, cut_off).await.unwrap();
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_for_another_to_end() {
    let server = start_with(2).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let other = TcpStream::connect(server.address).await.unwrap();
    let mut late = TcpStream::connect(server.address).await.unwrap();
    late.write_all(&head("GET /fast", "x: y")).await.unwrap();
    let mut answer = String::new();
    let waiting = timeout(Duration::from_millis(200), late.read_to_string(&mut answer)).await;
    assert!(waiting.is_err(), "{answer}");
    assert_eq!(server.metrics.connections.get(), 2);
    drop(idle);
    let read = timeout(STUCK, late.read_to_string(&mut answer)).await;
    read.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(other);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let server = start_with(1).await;
    let mut deaf = TcpStream::connect(server.address).await.unwrap();
    deaf.write_all(&head("GET /large", "x: y")).await.unwrap();
    let answer = async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&head("GET /fast", "x: y")).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    // The system notices it at one of its probes, which come ever more seldom.
    let answer = timeout(3 * WRITE_TIMEOUT, answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_panic_answers_500_with_its_request_id_in_the_log_and_the_connection_goes_on() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let lines = tracing_subscriber::fmt().with_writer(Mutex::new(log.reopen().unwrap()));
    let _logging = tracing::subscriber::set_default(lines.with_ansi(false).finish());
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut ids = Vec::new();
    for own_id in ["x-request-id: id-of-mine\r\n", ""] {
        let request = format!("GET /panic HTTP/1.1\r\nhost: localhost\r\n{own_id}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "}").await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains("/problems/internal"), "{answer}");
        assert!(!answer.contains("on purpose"), "{answer}");
        ids.push(request_id(&answer).to_string());
    }
    assert_eq!(ids[0], "id-of-mine");
    let fast = b"GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(fast).await.unwrap();
    let answer = read_until(&mut stream, "fast").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let log = std::fs::read_to_string(log.path()).unwrap();
    let lines = log.lines().filter(|line| line.contains("on purpose"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), ids.len(), "{log}");
    for (line, id) in lines.iter().zip(&ids) {
        assert!(line.contains("ERROR") && line.contains(id), "{id}: {line}");
    }
}

/// Returns the request id of an answer.
fn request_id(answer: &str) -> &str {
    answer
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "))
        .unwrap_or_else(|| panic!("{answer}"))
}

/// The connection is counted out, and its place is free again.
#[tokio::test]
async fn a_panic_in_the_stream_of_an_answer_ends_its_connection_only() {
    let server = start_with(1).await;
    let answer = exchange(server.address, &head("GET /panic-later", "x: y")).await;
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    let answer = exchange(server.address, &head("GET /fast", "x: y")).await;
    assert!(answer.ends_with("fast"), "{answer}");
    let counted_out = async {
        while server.metrics.connections.get() != 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(STUCK, counted_out).await.unwrap();
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = start().await;
    for (line, header, id) in [
        ("GET /fast", "x-request-id: abc-1.2_3", Some("abc-1.2_3")),
        ("GET /fast", "x-request-id: a b", None),
        ("GET /fast", "x-request-id: ", None),
        ("GET /missing", "x: y", None),
        ("PUT /fast", "x: y", None),
        ("GET /fast", "origin: http://localhost", None),
        ("POST /missing", "content-length: 9", None),
    ] {
        let answer = exchange(server.address, &head(line, header)).await;
        let found = request_id(&answer);
        match id {
            Some(id) => assert_eq!(found, id),
            None => assert_eq!(hex::decode(found).unwrap().len(), 16, "{found}"),
        }
    }
}

#[tokio::test]
async fn answers_without_a_body_vary_by_encoding_too() {
    let server = start().await;
    for line in ["GET /fast", "HEAD /large", "GET /missing"] {
        let answer = exchange(server.address, &head(line, "x: y")).await;
        assert_eq!(
            answer.matches("\r\nvary: accept-encoding\r\n").count(),
            1,
            "{answer}"
        );
    }
}

#[tokio::test]
async fn silent_clients_leave_their_places_after_the_timeout_for_heads() {
    let server = start_for(2, HEALTH_HEADERS_TIMEOUT).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let answer = exchange(server.address, &head("GET /fast", "x: y")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
