//! The door of a client: the event stream of an agent that may be anybody.

use std::net::{Ipv4Addr, SocketAddr};

use edge_cache_client::{Client, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Entered::{self, Ignored, Passed};
use super::refused;
use super::stage::Stage;

/// The longest error of a client, in bytes.
const ERROR_BYTES_MAX: usize = 1_300;

struct Scene {
    client: Client,
    body: watch::Sender<Vec<u8>>,
}

/// An event stream: it ends with its last event, or with one line that says why.
pub(super) fn event_stream(input: &[u8]) -> Entered {
    static STAGE: Stage<Scene> = Stage::new();
    STAGE.play(start, async |scene| {
        scene.body.send_replace(input.to_vec());
        let mut stream = match scene.client.events(None).await {
            Ok(stream) => stream,
            Err(error) => panic!("the stream is not there: {error}"),
        };
        let mut entered = Ignored;
        loop {
            match stream.next().await {
                Ok(None) => break,
                Ok(Some(event)) => {
                    let typed = event.event();
                    if let Some(typed) = typed {
                        assert_eq!(typed.name(), event.name);
                        entered = Passed;
                    }
                }
                Err(error) => {
                    entered = entered.max(refused(&error, ERROR_BYTES_MAX));
                    break;
                }
            }
        }
        entered
    })
}

async fn start() -> Scene {
    edge_cache_agent::http::use_ring();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (body, of_now) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, of_now.clone()));
        }
    });
    let address = address.to_string().parse().unwrap();
    let client = Client::new(ClientConfig::new(address)).unwrap();
    Scene { client, body }
}

/// Answers one request after the other with the body of now.
async fn answer(mut stream: TcpStream, body: watch::Receiver<Vec<u8>>) {
    let mut request = [0; 1024];
    // The client's requests are short, and it waits for each answer.
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        let body = body.borrow().clone();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n"
        );
        let answer = [head.as_bytes(), &body].concat();
        if stream.write_all(&answer).await.is_err() {
            break;
        }
    }
}
