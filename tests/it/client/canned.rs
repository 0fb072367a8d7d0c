//! A server that gives answers which no agent would, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers connection after connection, in order; the last answer again and again. Without any it never
/// answers.
pub(super) struct Canned {
    pub(super) at: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    pub(super) async fn new(answers: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (answers, seen) = (answers.to_vec(), heads.clone());
        tokio::spawn(async move {
            let mut open = Vec::new();
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = head(&mut stream).await;
                seen.lock().unwrap().push(head);
                match answers.get(turn).or(answers.last()) {
                    // The client may have gone away.
                    Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                    None => open.push(stream),
                }
            }
        });
        Self { at, heads }
    }

    /// The heads of all requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

pub(super) fn answer(status: u16, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} \r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

pub(super) fn problem(status: u16, detail: &str) -> String {
    let body = json!({"type": "/problems/x", "title": "X", "status": status, "detail": detail});
    answer(status, "application/problem+json", &body.to_string())
}

/// Events on a connection that is closed behind them.
pub(super) fn events(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{text}")
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}
