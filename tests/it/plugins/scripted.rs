//! A registry that misbehaves: nothing is read beyond its limit, no secret goes elsewhere, and each error says what to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use edge_cache_core::text::error_chain;
use edge_cache_distribution::{
    Artifact, DamagedSignature, Digest, MANIFEST_BYTES_MAX, Publication, RegistryConfig,
    RegistryError, Signature,
};
use edge_cache_tests::registry::{
    PASSWORD, REPOSITORY, Scripted, Seen, USER, client, credentials, endless, error, publication,
    quick,
};
use tokio::net::TcpListener;

mod access;

/// The limit of components in these tests, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// More than what sockets hold, in bytes.
const IN_FLIGHT: u64 = 16 * 1024 * 1024;
/// `edge:secret-of-edge` in base64, as Basic has it.
const BASIC: &str = "Basic ZWRnZTpzZWNyZXQtb2YtZWRnZQ==";

async fn pull_with(config: RegistryConfig, registry: &Scripted) -> Result<Artifact, RegistryError> {
    let reference = registry.reference("1").parse().unwrap();
    client(config).unwrap().pull(&reference, LIMIT).await
}

/// Pulls from a registry with one plugin, and returns the error. `HOST` in the expected text is the registry's address.
async fn refused(
    script: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static,
    expected: &str,
) -> Scripted {
    let registry = Scripted::start(script).await.unwrap();
    registry.add("1", &plugin());
    let error = pull_with(quick(), &registry).await.unwrap_err();
    let expected = expected.replace("HOST", &registry.address.to_string());
    assert_eq!(error_chain(&error), expected);
    registry
}

async fn has_bundle(registry: &Scripted) -> bool {
    let pulled = pull_with(quick(), registry).await;
    pulled.unwrap().proof.has_bundle
}

fn plugin() -> Publication {
    publication(&b"a component"[..]).unwrap()
}

/// A response to any request of blobs of components.
fn to_component(
    answer: impl Fn() -> Response + Send + Sync,
) -> impl Fn(&Seen) -> Option<Response> + Send + Sync {
    let path = format!("blobs/{}", plugin().manifest.component.digest);
    move |seen| seen.path.ends_with(&path).then(&answer)
}

fn to_manifest(
    answer: impl Fn() -> Response + Send + Sync,
) -> impl Fn(&Seen) -> Option<Response> + Send + Sync {
    move |seen| seen.path.ends_with("/manifests/1").then(&answer)
}

fn to_all(
    answer: impl Fn() -> Response + Send + Sync,
) -> impl Fn(&Seen) -> Option<Response> + Send + Sync {
    move |_| Some(answer())
}

fn redirect(to: &str) -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response()
}

fn challenge(text: &str) -> Response {
    (StatusCode::UNAUTHORIZED, [("www-authenticate", text)]).into_response()
}

#[tokio::test]
async fn a_plugin_is_pulled_with_signatures_config_and_bundle() {
    let registry = Scripted::start(|_| None).await.unwrap();
    let plugin = plugin();
    registry.add("1", &plugin);
    let pulled = pull_with(quick(), &registry).await.unwrap();
    assert_eq!(pulled.component, plugin.component);
    assert_eq!(pulled.config, Some(plugin.config.clone()));
    assert_eq!(pulled.proof.manifest, plugin.manifest);
    assert_eq!(
        (pulled.proof.signatures.len(), pulled.proof.has_bundle),
        (0, false)
    );

    // A registry with the API of referrers.
    let digest = plugin.manifest.digest;
    let bundle = r#"{"schemaVersion":2,"manifests":[{"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}]}"#;
    let path = format!("/v2/{REPOSITORY}/referrers/{digest}");
    let registry = Scripted::start(move |seen| (seen.path == path).then(|| bundle.into_response()))
        .await
        .unwrap();
    registry.add("1", &plugin);
    assert!(has_bundle(&registry).await);

    // One without it.
    let registry = Scripted::start(|_| None).await.unwrap();
    registry.add("1", &plugin);
    let tag = format!("sha256-{}", digest.hex());
    registry.add_manifest(&tag, &Bytes::from(bundle));
    assert!(has_bundle(&registry).await);

    // Another kind of referrer.
    let registry = Scripted::start(|_| None).await.unwrap();
    registry.add("1", &plugin);
    let sbom = bundle.replace("sigstore.bundle", "other");
    registry.add_manifest(&tag, &Bytes::from(sbom));
    assert!(!has_bundle(&registry).await);
}

#[tokio::test]
async fn a_component_beyond_the_limit_is_not_even_asked_for() {
    let large = publication(vec![0; LIMIT as usize + 1]).unwrap();
    let registry = Scripted::start(|_| None).await.unwrap();
    registry.add("1", &large);
    let error = pull_with(quick(), &registry).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "the plugin has 1048577 bytes, and the limit `limits.plugin_bytes` is 1048576"
    );
    assert!(
        !registry
            .seen()
            .iter()
            .any(|seen| seen.path.contains("/blobs/"))
    );
}

#[tokio::test]
async fn an_endless_answer_is_read_no_further_than_its_limit() {
    let endless_one = || {
        let (body, taken) = endless();
        let body = Arc::new(std::sync::Mutex::new(Some(body)));
        let answer = move || Response::new(body.lock().unwrap().take().unwrap_or_default());
        (answer, taken)
    };
    let (answer, taken) = endless_one();
    refused(
        to_component(answer),
        "the registry `HOST` sends the plugin with 12 bytes, not 11: try again",
    )
    .await;
    assert!(taken.load(Ordering::Relaxed) < IN_FLIGHT);

    let (answer, taken) = endless_one();
    refused(
        to_manifest(answer),
        "the registry `HOST` sends a manifest of more than 4194304 bytes",
    )
    .await;
    assert!(taken.load(Ordering::Relaxed) < IN_FLIGHT);

    // The same with a length: nothing of it is read.
    let declared = || {
        let length = [("content-length", (MANIFEST_BYTES_MAX + 1).to_string())];
        (length, Body::from_stream(never())).into_response()
    };
    refused(
        to_manifest(declared),
        "the registry `HOST` sends a manifest of more than 4194304 bytes",
    )
    .await;
    let declared = || {
        let length = [("content-length", "12".to_string())];
        (length, Body::from_stream(never())).into_response()
    };
    refused(
        to_component(declared),
        "the registry `HOST` sends the plugin with 12 bytes, not 11: try again",
    )
    .await;
}

fn never() -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    futures_util::stream::pending()
}

#[tokio::test]
async fn a_content_with_another_digest_or_size_is_refused() {
    let found = Digest::of(b"b component");
    let expected = plugin().manifest.component.digest;
    refused(
        to_component(|| "b component".into_response()),
        &format!(
            "the registry `HOST` sends the plugin with the digest {found}, not {expected}: its copy is damaged: delete it there, then push it again"
        ),
    )
    .await;
    refused(
        to_component(|| "a comp".into_response()),
        "the registry `HOST` sends the plugin with 6 bytes, not 11: try again",
    )
    .await;
    refused(
        to_component(|| StatusCode::NOT_FOUND.into_response()),
        &format!(
            "the registry `HOST` has no blob `{expected}`: check its name, and whether it was pushed"
        ),
    )
    .await;

    // The header contradicts the body.
    let named = Digest::of(b"another");
    let body = plugin().manifest.bytes;
    let digest = plugin().manifest.digest;
    let answer = move || {
        let header = [("docker-content-digest", named.to_string())];
        (header, body.clone()).into_response()
    };
    refused(
        to_manifest(answer),
        &format!(
            "the registry `HOST` sends a manifest with the digest {digest}, not {named}: its copy is damaged: delete it there, then push it again"
        ),
    )
    .await;

    // The reference has another digest.
    let registry = Scripted::start(|_| None).await.unwrap();
    registry.add_manifest(&named.to_string(), &plugin().manifest.bytes);
    let reference = registry
        .reference("1")
        .parse::<edge_cache_distribution::Reference>();
    let reference = reference.unwrap().with_digest(named);
    let client = client(quick()).unwrap();
    assert_eq!(
        error_chain(&client.pull(&reference, LIMIT).await.unwrap_err()),
        format!(
            "the registry `{}` sends a manifest with the digest {digest}, not {named}: its copy is damaged: delete it there, then push it again",
            registry.address
        )
    );
}

#[tokio::test]
async fn a_manifest_of_something_else_is_refused() {
    for (text, reason) in [
        (
            "{}",
            "the manifest is not valid: missing field `schemaVersion` at line 1 column 2",
        ),
        (
            r#"{"schemaVersion":2,"manifests":[]}"#,
            "the reference names an index of several manifests, and a plugin has one: use the digest of the plugin's own",
        ),
    ] {
        let registry = Scripted::start(to_manifest(move || text.into_response())).await;
        let registry = registry.unwrap();
        let error = pull_with(quick(), &registry).await.unwrap_err();
        let reference = registry.reference("1");
        assert_eq!(
            error_chain(&error),
            format!("{reference} is no plugin: {reason}")
        );
    }
}

/// The time that an operator waited is that of all tries.
#[tokio::test]
async fn a_registry_that_says_nothing_to_new_connections_is_reported_with_its_tries() {
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = deaf.local_addr().unwrap();
    let mut config = quick();
    config.plain_http = false;
    config.connect_timeout = Duration::from_millis(50);
    let reference = format!("oci://{address}/{REPOSITORY}:1").parse().unwrap();
    let pulled = client(config).unwrap().pull(&reference, LIMIT).await;
    assert_eq!(
        error_chain(&pulled.unwrap_err()),
        format!(
            "cannot reach the registry `{address}`: no connection within 50ms, after 4 tries: check its address and \
             the network"
        )
    );
}

#[tokio::test]
async fn truncated_and_silent_answers_end() {
    let large = publication(vec![0; LIMIT as usize]).unwrap();
    let half = Bytes::from(vec![0; large.component.len() / 2]);
    let path = format!("blobs/{}", large.manifest.component.digest);
    let cut = move |seen: &Seen| {
        let length = [("content-length", LIMIT.to_string())];
        let chunks = [Ok(half.clone()), Err(std::io::Error::other("cut"))];
        let chunks = futures_util::stream::iter(chunks);
        let answer = || (length, Body::from_stream(chunks)).into_response();
        seen.path.ends_with(&path).then(answer)
    };
    let registry = Scripted::start(cut).await.unwrap();
    registry.add("1", &large);
    let error = pull_with(quick(), &registry).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        format!(
            "the connection to the registry `{}` broke off in the plugin: try again",
            registry.address
        )
    );

    let registry = Scripted::start(to_component(|| Response::new(Body::from_stream(never()))));
    let registry = registry.await.unwrap();
    registry.add("1", &plugin());
    let mut config = quick();
    config.read_timeout = Duration::from_millis(50);
    let error = pull_with(config, &registry).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        format!(
            "the registry `{}` sent nothing for 50ms: try again, or ask another one by `plugin.registry_mirror`",
            registry.address
        )
    );

    // A byte now and then: it is never silent, and never done.
    let drip = || {
        let drip = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from("0")), ()))
        });
        Response::new(Body::from_stream(drip))
    };
    let large = publication(vec![b'0'; 1_000]).unwrap();
    let path = format!("blobs/{}", large.manifest.component.digest);
    let script = move |seen: &Seen| seen.path.ends_with(&path).then(drip);
    let registry = Scripted::start(script).await.unwrap();
    registry.add("1", &large);
    let mut config = quick();
    config.timeout = Duration::from_millis(200);
    let error = pull_with(config, &registry).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        format!(
            "the registry `{}` was not done within 200ms: try again, or ask another one by `plugin.registry_mirror`",
            registry.address
        )
    );
}

/// Answers so many requests for the manifest in another way, then as it should.
fn first(
    count: usize,
    answer: impl Fn() -> Response + Send + Sync,
) -> impl Fn(&Seen) -> Option<Response> + Send + Sync {
    let asked = AtomicUsize::new(0);
    let answer = to_manifest(answer);
    move |seen| {
        let response = answer(seen)?;
        (asked.fetch_add(1, Ordering::Relaxed) < count).then_some(response)
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_not_for_ever() {
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY] {
        let registry = Scripted::start(first(3, move || status.into_response())).await;
        let registry = registry.unwrap();
        registry.add("1", &plugin());
        pull_with(quick(), &registry).await.unwrap();
    }
    let registry = refused(
        to_all(|| error(StatusCode::TOO_MANY_REQUESTS, "slow down")),
        "the registry `HOST` still has too many requests after 4 tries: try again later",
    )
    .await;
    assert_eq!(registry.seen().len(), 4);
    let registry = refused(
        to_all(|| error(StatusCode::SERVICE_UNAVAILABLE, "no\nspace")),
        "the registry `HOST` failed with status 503 at each of 4 tries: no\u{fffd}space: try again later",
    )
    .await;
    assert_eq!(registry.seen().len(), 4);
    let registry = refused(
        to_all(|| error(StatusCode::BAD_REQUEST, &"long ".repeat(100))),
        &format!(
            "the registry `HOST` refused `acme/plugin:1` with status 400: {}l…",
            "long ".repeat(51)
        ),
    )
    .await;
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn a_wait_that_the_registry_asks_for_is_kept() {
    let busy = || (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response();
    let registry = Scripted::start(first(1, busy)).await.unwrap();
    registry.add("1", &plugin());
    let start = Instant::now();
    pull_with(quick(), &registry).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_said() {
    let address = edge_cache_tests::proxies::free_address().unwrap();
    let reference = format!("oci://{address}/{REPOSITORY}:1").parse().unwrap();
    let error = client(quick()).unwrap().pull(&reference, LIMIT).await;
    assert_eq!(
        error_chain(&error.unwrap_err()),
        format!(
            "cannot reach the registry `{address}`: tcp connect error: Connection refused (os error 111): check its address \
             and the network"
        )
    );
}

#[tokio::test]
async fn damaged_signatures_are_said() {
    let registry = Scripted::start(|_| None).await.unwrap();
    registry.add("1", &plugin());
    let digest = plugin().manifest.digest;
    let tag = format!("sha256-{}.sig", digest.hex());
    registry.add_manifest(&tag, &Bytes::from("{}"));
    let damaged = |reason: &str| {
        format!(
            "the signatures of `acme/plugin@{digest}` are damaged ({reason}): remove the tag `{tag}` and sign again"
        )
    };
    let text = damaged("their manifest is no image manifest");
    let error = pull_with(quick(), &registry).await.unwrap_err();
    assert_eq!(error_chain(&error), text);
    // Nor is one added to them.
    let reference = registry.reference("1").parse().unwrap();
    let signature = Signature {
        payload: Bytes::from("{}"),
        signature: vec![1],
    };
    let pushed = client(quick()).unwrap();
    let pushed = pushed
        .push_signatures(&reference, &digest, &[signature])
        .await;
    assert_eq!(error_chain(&pushed.unwrap_err()), text);

    // A signed text that is not there, or another one.
    let layer = format!(
        r#"{{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":2,"digest":"{}","annotations":{{"dev.cosignproject.cosign/signature":"AQID"}}}}"#,
        Digest::of(b"{}")
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"c","size":2,"digest":"{}"}},"layers":[{layer}]}}"#,
        Digest::of(b"{}")
    );
    registry.add_manifest(&tag, &Bytes::from(manifest));
    let pulled = pull_with(quick(), &registry).await.unwrap();
    assert!(pulled.proof.signatures.is_empty());
    let payload = Digest::of(b"{}");
    let named = DamagedSignature {
        payload,
        reason: format!(
            "the registry `{}` has no blob `{payload}`: check its name, and whether it was pushed",
            registry.address
        ),
    };
    assert_eq!(pulled.proof.damaged, [named]);
    registry.add_blob(&Bytes::from("{}"));
    let pulled = pull_with(quick(), &registry).await.unwrap();
    assert_eq!(pulled.proof.signatures[0].signature, [1, 2, 3]);
    assert!(pulled.proof.damaged.is_empty());
}

#[tokio::test]
async fn a_registry_that_fails_at_a_signature_makes_no_unsigned_plugin() {
    let registry = Scripted::start(|seen| {
        let is_payload = seen.path.ends_with(&Digest::of(b"text").to_string());
        is_payload.then(|| StatusCode::BAD_GATEWAY.into_response())
    });
    let registry = registry.await.unwrap();
    registry.add("1", &plugin());
    registry.sign(
        &plugin().manifest.digest,
        &[Signature {
            payload: Bytes::from("text"),
            signature: vec![1],
        }],
    );
    let error = pull_with(quick(), &registry).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        format!(
            "the registry `{}` failed with status 502 at each of 4 tries: try again later",
            registry.address
        )
    );
}
