//! The harness of real proxies and caches itself: they start, cache, stop, and come back at their address.

use edge_cache_tests::agent::client;
use edge_cache_tests::debian::{NGINX, VARNISH};
use edge_cache_tests::proxies::{Origin, Server, get_all};

/// Sends each of 20 keys three times, one pass after the other.
async fn passes(server: &Server) {
    for _ in 0..3 {
        let urls = (0..20).map(|key| server.url(&format!("/{key}?q")));
        let client = client(&[]).unwrap();
        let bodies = get_all(&client, urls, async |response| Ok(response.text().await?));
        let expected: Vec<_> = (0..20).map(|key| format!("/{key}?q")).collect();
        assert_eq!(bodies.await.unwrap(), expected);
    }
}

async fn caches_and_comes_back(mut server: Server, origin: Origin) {
    passes(&server).await;
    assert_eq!((origin.requests(), origin.seen().len()), (20, 20));
    server.stop().await.unwrap();
    let client = client(&[]).unwrap();
    client.get(server.url("/1?q")).send().await.unwrap_err();
    server.start_again().await.unwrap();
    passes(&server).await;
    server.kill().await.unwrap();
    client.get(server.url("/1?q")).send().await.unwrap_err();
    server.start_again().await.unwrap();
    passes(&server).await;
}

#[tokio::test]
async fn a_real_nginx_caches_stops_and_comes_back() {
    let Some(program) = NGINX.program() else {
        return;
    };
    let origin = Origin::start().await.unwrap();
    let http = format!(
        "proxy_cache_path FOLDER/cache keys_zone=edge:10m;
         server {{
             listen LISTEN;
             location / {{ proxy_pass http://{}; proxy_cache edge; }}
         }}",
        origin.address
    );
    let server = Server::nginx(program, &http).await.unwrap();
    caches_and_comes_back(server, origin).await;
}

#[tokio::test]
async fn a_real_varnish_caches_stops_and_comes_back() {
    let Some(program) = VARNISH.program() else {
        return;
    };
    let origin = Origin::start().await.unwrap();
    let (host, port) = (origin.address.ip(), origin.address.port());
    let vcl = format!("vcl 4.1;\nbackend default {{ .host = \"{host}\"; .port = \"{port}\"; }}\n");
    let server = Server::varnish(program, &vcl).await.unwrap();
    caches_and_comes_back(server, origin).await;
}
