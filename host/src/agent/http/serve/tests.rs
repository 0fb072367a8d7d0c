use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{CONNECTIONS_MAX, HEADERS_BYTES_MAX, serve_routes};
use crate::agent::http::extract::Json;

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
    let routes = Router::new()
        .route("/", post(async |Json(_): Json<Value>| "taken"))
        .route("/fast", get(async || "fast"))
        .route("/slow", get(slow));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(serve_routes(listener, routes, async move {
        stopped.await.unwrap_or_default();
    }));
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
async fn connections_beyond_the_limit_wait_for_one_to_end() {
    let server = start().await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut late = TcpStream::connect(server.address).await.unwrap();
    late.write_all(&head("GET /fast", "x: y")).await.unwrap();
    let mut answer = String::new();
    let waiting = timeout(Duration::from_millis(200), late.read_to_string(&mut answer)).await;
    assert!(waiting.is_err(), "{answer}");

    idle.pop();
    timeout(STUCK, late.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
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
    server.stop.send(()).unwrap();
    timeout(STUCK, server.task).await.unwrap().unwrap();
}
