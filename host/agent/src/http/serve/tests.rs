use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::stream::repeat;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{CONNECTIONS_DEFAULT, DISCARDED_WITHIN, HEADERS_BYTES_MAX, Listening, NOT_TLS, serve};
use crate::http::extract::Json;
use crate::http::gate::{Gate, Routes};
use crate::http::guard::Hosts;
use crate::http::operation::{Operation, handler};
use crate::metrics::{HttpMetrics, ListenerMetrics};

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
    task: JoinHandle<()>,
}

async fn start() -> Server {
    start_with(CONNECTIONS_DEFAULT).await
}

async fn start_with(connections: usize) -> Server {
    let (enter, entered) = oneshot::channel();
    let (leave, left) = oneshot::channel::<()>();
    let (stop, stopped) = oneshot::channel::<()>();
    let once = std::sync::Mutex::new(Some((enter, left)));
    let once = std::sync::Arc::new(once);
    let slow = async move || {
        let (enter, left) = once.lock().unwrap().take().unwrap();
        enter.send(()).unwrap();
        left.await.unwrap();
        "done"
    };
    let take = handler(async |Json(_): Json<Value>| "taken", ());
    let endless = async || Body::from_stream(repeat(Ok::<_, Infallible>("again")));
    let large = handler(async || vec![b'x'; 16 * MIB], ());
    let operations = [
        ("/", Method::POST, take),
        ("/fast", Method::GET, handler(async || "fast", ())),
        ("/large", Method::GET, large),
        ("/slow", Method::GET, handler(slow, ())),
        ("/endless", Method::GET, handler(endless, ())),
    ];
    let operations = operations.map(|(template, method, handler)| Operation {
        template: template.to_string(),
        method,
        handler,
    });
    let gate = Gate {
        metrics: HttpMetrics::default(),
        hosts: Hosts::Local,
        access: None,
    };
    let routes = Routes::new(operations, gate);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = Listening {
        listener,
        tls: None,
        connections,
    };
    let task = tokio::spawn(serve(
        listening,
        routes,
        ListenerMetrics::default(),
        async move {
            stopped.await.unwrap_or_default();
        },
    ));
    Server {
        address,
        entered,
        leave,
        stop,
        task,
    }
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
            assert!(stream.read_buf(&mut answers).await.unwrap() > 0);
        }
    };
    timeout(STUCK, whole).await.unwrap();
    String::from_utf8(answers).unwrap()
}

#[tokio::test]
async fn after_an_answer_that_came_before_the_body_the_connection_goes_on() {
    let server = start().await;
    let part = vec![b' '; MIB];
    let fast = b"GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // Not described, not taken there, not wanted, and too large.
    let early = [
        ("POST /missing", "x: y", 404),
        ("PUT /fast", "x: y", 405),
        ("GET /fast", "x: y", 200),
        ("POST /", "content-type: text/plain", 415),
        ("POST /", "content-type: application/json", 413),
    ];
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for (line, header, status) in early {
        let head = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\n{header}\r\ncontent-length: {}\r\n\r\n",
            2 * MIB
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&part).await.unwrap();
        let end = if status == 200 { "fast" } else { "}" };
        let answer = read_until(&mut stream, end).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(!answer.contains("\r\nconnection: "), "{answer}");
        stream.write_all(&part).await.unwrap();
        stream.write_all(fast).await.unwrap();
        let answer = read_until(&mut stream, "fast").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn after_a_body_that_was_not_asked_for_the_connection_closes() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        "POST / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    // A client may send it all the same.
    stream.write_all(b"{}").await.unwrap();
    assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0);
    // One that is asked for is read, and the connection goes on.
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
    }
}

#[tokio::test]
async fn what_is_left_of_a_body_is_not_read_for_ever() {
    let server = start().await;
    let head = b"POST /missing HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut endless = TcpStream::connect(server.address).await.unwrap();
    for stream in [&mut silent, &mut endless] {
        stream.write_all(head).await.unwrap();
        let answer = read_until(stream, "}").await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    let cut_off = async {
        while !is_closed(&mut endless, Duration::from_millis(100)).await {
            let _ = endless.write_all(b"1\r\n \r\n").await;
        }
    };
    timeout(DISCARDED_WITHIN + STUCK, cut_off).await.unwrap();
    assert!(is_closed(&mut silent, STUCK).await);
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

/// Whether the other side has closed the connection.
async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    matches!(
        timeout(within, stream.read(&mut [0; 64])).await,
        Ok(Ok(0) | Err(_))
    )
}

#[tokio::test]
async fn at_the_limit_the_one_that_waits_longest_makes_room() {
    let server = start_with(5).await;
    let post = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n";
    let within = format!("{post}content-type: application/json\r\n\r\n1234");
    let mut crowd = Vec::new();
    // Silent, within a head, and within a body.
    for sent in ["", post, &within] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    // After an answer, and after one that came before the body.
    let get = "GET /fast HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for sent in [get, &format!("{post}\r\n1234")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        crowd.push(stream);
    }
    // Each new one takes the place of the oldest, and no other's.
    let mut taken = Vec::new();
    while !crowd.is_empty() {
        let mut late = TcpStream::connect(server.address).await.unwrap();
        late.write_all(get.as_bytes()).await.unwrap();
        assert!(late.read(&mut [0; 1024]).await.unwrap() > 0);
        taken.push(late);
        assert!(is_closed(&mut crowd.remove(0), STUCK).await);
        for stream in crowd.iter_mut().chain(&mut taken) {
            assert!(!is_closed(stream, Duration::from_millis(20)).await);
        }
    }
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
async fn an_answer_that_nobody_reads_makes_room() {
    let server = start_with(1).await;
    let mut deaf = TcpStream::connect(server.address).await.unwrap();
    deaf.write_all(&head("GET /large", "x: y")).await.unwrap();
    // The answer has begun, so it is no longer worked on.
    deaf.readable().await.unwrap();
    let answer = exchange(server.address, &head("GET /fast", "x: y")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
