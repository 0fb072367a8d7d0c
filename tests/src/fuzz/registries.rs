//! The door of the client of registries: all answers of a registry, one after the other.

use std::net::Ipv4Addr;
use std::time::Duration;

use edge_cache_distribution::{Credentials, Digest, Reference, RegistryClient, RegistryConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Entered::{self, Passed};
use super::refused;
use super::stage::Stage;

/// The longest error of a pull, in bytes.
const ERROR_BYTES_MAX: usize = 2_300;
/// Time of a pull on a busy machine. An answer may ask for more patience.
const PULLED_WITHIN: Duration = Duration::from_secs(5);
/// The largest component.
const COMPONENT_BYTES_MAX: u64 = 1024;
/// Between two answers of an input.
const BETWEEN: &str = "\n--\n";
/// The placeholder of the registry's address in an input.
const ADDRESS: &str = "REGISTRY";
/// The tag that is pulled.
const NAME: &str = "edge/cache:1";

struct Scene {
    client: RegistryClient,
    address: String,
    reference: Reference,
    answers: watch::Sender<Vec<Vec<u8>>>,
}

/// The answers of a registry: a plugin whose digests are right, or one line that says why there is none.
pub(super) fn registry(input: &[u8]) -> Entered {
    static STAGE: Stage<Scene> = Stage::new();
    STAGE.play(start, async |scene| {
        let text = String::from_utf8_lossy(input).replace(ADDRESS, &scene.address);
        let mut answers: Vec<_> = text
            .split(BETWEEN)
            .map(|it| it.as_bytes().to_vec())
            .collect();
        answers.reverse();
        scene.answers.send_replace(answers);
        let pulled = scene
            .client
            .pull(&scene.reference, COMPONENT_BYTES_MAX)
            .await;
        match pulled {
            Err(error) => {
                assert!(!error.to_string().contains("hunter2"));
                refused(&error, ERROR_BYTES_MAX)
            }
            Ok(artifact) => {
                let length = u64::try_from(artifact.component.len()).unwrap();
                assert!(length <= COMPONENT_BYTES_MAX);
                let proof = artifact.proof;
                assert_eq!(
                    Digest::of(&artifact.component),
                    proof.manifest.component.digest
                );
                Passed
            }
        }
    })
}

async fn start() -> Scene {
    edge_cache_agent::http::use_ring();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (answers, _) = watch::channel(Vec::new());
    let rest = answers.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, rest.clone()));
        }
    });
    let accounts =
        json!({"auths": {&address: {"username": "robot", "password": "hunter2"}}}).to_string();
    let config = RegistryConfig {
        credentials: Credentials::from_json(accounts.as_bytes()).unwrap(),
        plain_http: true,
        backoff: Duration::ZERO,
        timeout: PULLED_WITHIN,
        ..RegistryConfig::default()
    };
    Scene {
        client: RegistryClient::new(config).unwrap(),
        reference: format!("oci://{address}/{NAME}").parse().unwrap(),
        address,
        answers,
    }
}

/// Answers a request with the next bytes, and closes; with 404 after the last ones.
async fn answer(mut stream: TcpStream, answers: watch::Sender<Vec<Vec<u8>>>) {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).await;
    if !read.is_ok_and(|read| read > 0) {
        return;
    }
    let mut next = None;
    answers.send_modify(|answers| next = answers.pop());
    let none =
        || b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    // The client may have gone.
    let _ = stream.write_all(&next.unwrap_or_else(none)).await;
}
