//! Members that announce addresses of others, which get no token.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Result, anyhow};
use edge_cache_tests::agent::write_secret;
use edge_cache_tests::registry::Certificate;
use rustls::{ServerConnection, StreamOwned};

use super::run_rollout;
use crate::access::token;
use crate::gossip_node::Node;

/// A server with a certificate, which notes what it is sent, decrypted.
struct Spy {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Spy {
    fn start(certificate: &Certificate) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let config = certificate.server()?;
        let spy = Self {
            address: listener.local_addr()?,
            connections: Arc::default(),
            read: Arc::default(),
        };
        let (connections, read) = (spy.connections.clone(), spy.read.clone());
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::AcqRel);
                let Ok(connection) = ServerConnection::new(config.clone()) else {
                    return;
                };
                let mut stream = StreamOwned::new(connection, stream);
                let mut bytes = [0; 65_536];
                if let Ok(count) = stream.read(&mut bytes)
                    && let Ok(mut read) = read.lock()
                {
                    read.extend_from_slice(&bytes[..count]);
                }
            }
        });
        Ok(spy)
    }

    fn read(&self) -> Result<String> {
        let read = self.read.lock().map_err(|_| anyhow!("poisoned"))?;
        Ok(String::from_utf8_lossy(&read).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_announces_a_false_address_gets_no_token() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let certificate = Certificate::new()?;
    certificate.write(folder.path())?;
    let token = token("operator", "admin").await;
    write_secret(path("tokens").as_ref(), &token.line)?;
    write_secret(path("token").as_ref(), &token.secret)?;
    let honest = [
        "--http-tls-cert-file",
        &path("cert.pem"),
        "--http-tls-key-file",
        &path("key.pem"),
        "--api-token-file",
        &path("tokens"),
    ]
    .map(str::to_string);
    let honest: Vec<&str> = honest.iter().map(String::as_str).collect();
    // A certificate that `--ca-file` proves is what makes an address an honest one: with it, the spy gets the token.
    for (scheme, presented, is_reached, is_told) in [
        ("http", &certificate, false, false),
        ("https", &Certificate::new()?, true, false),
        ("https", &certificate, true, true),
    ] {
        let spy = Spy::start(presented)?;
        let announced = format!("{scheme}://{}", spy.address);
        let announced = [&honest[..], &["--http-advertise", &announced]].concat();
        let member = Node::start(1, &announced).await?;
        let at = format!("https://{}", member.http);
        let ended = run_rollout(&[
            "plugin",
            "rollout",
            "oci://127.0.0.1:1/acme/plugin:1",
            "--addr",
            &at,
            "--token-file",
            &path("token"),
            "--ca-file",
            &path("cert.pem"),
            "--timeout",
            "2s",
        ])
        .await?;
        assert_ne!(ended.code, Some(0), "{ended:?}");
        let is_named = ended.stderr.contains(&spy.address.to_string());
        assert!(is_named, "{ended:?}");
        let connections = spy.connections.load(Ordering::Acquire);
        assert_eq!(connections > 0, is_reached, "{scheme}: {ended:?}");
        let read = spy.read()?;
        assert_eq!(
            read.contains(token.secret.trim()),
            is_told,
            "{scheme}: {read}"
        );
        assert_eq!(read.contains("Bearer"), is_told, "{scheme}: {read}");
    }
    Ok(())
}
