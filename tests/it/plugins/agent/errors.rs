//! Registries that fail while an agent runs: each error has its text, and the agent goes on with what it has.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use edge_cache_tests::proxies::free_address;
use edge_cache_tests::registry::{Scripted, Seen, endless, error};
use futures_util::future::{try_join, try_join_all};
use futures_util::{StreamExt, stream};

use super::*;

/// The most replacements that an agent loads at once.
const AT_ONCE: usize = 8;
/// More than what sockets hold, in bytes.
const IN_FLIGHT: u64 = 16 * 1024 * 1024;

/// A reference, and the error with which it is not pulled.
type Failing = (Reference, String);

fn plugin() -> Result<Publication> {
    publication(&b"a component"[..])
}

/// Starts a registry that answers requests whose path ends so in this way. `HOST` in the error is its address.
async fn failing(
    end: &str,
    answer: impl Fn() -> Response + Send + Sync + 'static,
    said: &str,
) -> Result<Failing> {
    let end = end.to_string();
    let script = move |seen: &Seen| seen.path.ends_with(&end).then(&answer);
    let registry = Scripted::start(script).await?;
    registry.add("1", &plugin()?);
    let said = said.replace("HOST", &registry.address.to_string());
    Ok((registry.reference("1").parse()?, said))
}

/// Swaps each in, several at once, and compares the errors. What runs goes on.
async fn refused(agent: &Agent, cases: &[Failing]) -> Result<()> {
    let before = agent.get(PLUGIN).await?;
    for some in cases.chunks(AT_ONCE) {
        let asked = some.iter().map(|(reference, _)| put(agent, reference));
        for ((reference, said), refused) in some.iter().zip(try_join_all(asked).await?) {
            assert_eq!(refused.status, 502, "{reference}: {refused:?}");
            assert_eq!(detail(&refused)?, said, "{reference}");
        }
    }
    assert_eq!(agent.get(PLUGIN).await?, before);
    let ready = agent.ask(Method::GET, "/health/readyz", None).await?;
    assert_eq!(ready.status, 200, "{ready:?}");
    Ok(())
}

/// Starts agents, each with one of these as its plugin, and compares their ends.
async fn ended(args: &[&str], cases: &[Failing]) -> Result<()> {
    let run = ["run", "--node-id", "1", "--http-listen", "127.0.0.1:0"];
    let run = [&run[..], &["--plugin-registry-plain-http"], args].concat();
    let ends = cases.iter().map(async |(reference, _)| {
        let reference = reference.to_string();
        run_to_end(&[&run[..], &["--plugin", &reference]].concat()).await
    });
    for ((_, said), ended) in cases.iter().zip(try_join_all(ends).await?) {
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let said = format!("edge-cache-agent: cannot load the plugin: {said}\n");
        assert!(ended.stderr.ends_with(&said), "{ended:?}\n{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_registry_that_fails_is_named_and_the_agent_goes_on() -> Result<()> {
    let Some(house) = House::new().await? else {
        return Ok(());
    };
    let host = house.registry.address;
    let component = plugin()?.manifest.component.digest;
    let blob = format!("/blobs/{component}");
    let (manifest, busy) = ("/manifests/1", StatusCode::TOO_MANY_REQUESTS);
    let other = Digest::of(b"b component");
    let counts = Arc::<Mutex<Vec<_>>>::default();
    let counted = counts.clone();
    let endless = move || {
        let (body, taken) = endless();
        counted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(taken);
        Response::new(body)
    };
    let cut = || {
        let begun = stream::iter([Ok(Bytes::from_static(b"a comp"))]);
        // The server sends what it has while it waits.
        let cut = stream::once(async {
            tokio::task::yield_now().await;
            Err(std::io::Error::other("cut"))
        });
        let length = [("content-length", "11")];
        (length, Body::from_stream(begun.chain(cut))).into_response()
    };
    let silent = || {
        let never = stream::pending::<Result<Bytes, Infallible>>();
        Response::new(Body::from_stream(never))
    };
    let redirect = || {
        let to = [("location", "http://registry.example/x?secret")];
        (StatusCode::TEMPORARY_REDIRECT, to).into_response()
    };
    let large = version(1)?.component.len() + 1;
    let limit = large - 1;
    let larger = publication(with_section(reference_bytes()?, "note", b"12"))?;
    let larger = house.push_as("acme/larger:1", &larger).await?;
    let gone = free_address()?;
    let unreachable = |host| {
        format!(
            "cannot reach the registry `{host}`: tcp connect error: Connection refused (os error 111): check its address and \
             the network"
        )
    };
    let nothing = format!("oci://{host}/acme/nothing:1").parse()?;
    let mut cases = vec![
        failing(
            manifest,
            move || error(busy, "slow down"),
            "the registry `HOST` still has too many requests after 4 tries: try again later",
        )
        .await?,
        failing(
            manifest,
            || error(StatusCode::SERVICE_UNAVAILABLE, "no space"),
            "the registry `HOST` failed with status 503 at each of 4 tries: no space: try again later",
        )
        .await?,
        failing(
            &blob,
            silent,
            "the registry `HOST` sent nothing for 5s: try again, or ask another one by `plugin.registry_mirror`",
        )
        .await?,
        (format!("oci://{gone}/acme/plugin:1").parse()?, unreachable(gone)),
        failing(
            &blob,
            || "b component".into_response(),
            &format!(
                "the registry `HOST` sends the plugin with the digest {other}, not {component}: its copy is damaged: delete it \
                 there, then push it again"
            ),
        )
        .await?,
        failing(
            &blob,
            cut,
            "the connection to the registry `HOST` broke off in the plugin: try again",
        )
        .await?,
        failing(
            &blob,
            || "a comp".into_response(),
            "the registry `HOST` sends the plugin with 6 bytes, not 11: try again",
        )
        .await?,
        failing(
            &blob,
            endless,
            "the registry `HOST` sends the plugin with 12 bytes, not 11: try again",
        )
        .await?,
        failing(
            &blob,
            redirect,
            "the registry `HOST` redirects to `http://registry.example`, and only `https` is followed",
        )
        .await?,
        failing(
            manifest,
            || error(StatusCode::BAD_REQUEST, "no"),
            "the registry `HOST` refused `acme/plugin:1` with status 400: no",
        )
        .await?,
        (
            larger,
            format!("the plugin has {large} bytes, and the limit `limits.plugin_bytes` is {limit}"),
        ),
        (
            nothing,
            format!(
                "the registry `{host}` has no `acme/nothing:1`: check its name, and whether it was pushed"
            ),
        ),
    ];
    let (no_plugin, _) = failing(manifest, || "{}".into_response(), "").await?;
    let said =
        "is no plugin: the manifest is not valid: missing field `schemaVersion` at line 1 column 2";
    let said = format!("{no_plugin} {said}");
    cases.push((no_plugin, said));

    let limit = limit.to_string();
    let args = [
        "--limits-plugin-bytes",
        &limit,
        "--plugin-registry-timeout",
        "5s",
    ];
    let agent = house.start_from_registry(&args).await?;
    // At a start, the same is its end.
    try_join(refused(&agent, &cases), ended(&args, &cases)).await?;
    let taken = counts.lock().map_or(0, |counts| {
        counts
            .iter()
            .map(|taken| taken.load(Ordering::Relaxed))
            .sum()
    });
    assert!(taken > 0_u64 && taken < IN_FLIGHT, "{taken}");
    // The declared one is pulled as before.
    let pulled = post(&agent, &format!("{RELOAD}?pull=true")).await?;
    assert_eq!(pulled.status, 200, "{pulled:?}");
    Ok(())
}

#[tokio::test]
async fn passwords_and_certificates_that_are_wrong_are_named() -> Result<()> {
    let (certificate, other) = (Certificate::new()?, Certificate::new()?);
    let (Some(registry), Some(unknown), Some(plain)) = (
        docker_registry(Some(&certificate), true).await?,
        docker_registry(Some(&other), false).await?,
        docker_registry(None, false).await?,
    ) else {
        return Ok(());
    };
    let host = registry.address.to_string();
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("ca.pem"), &certificate.pem)?;
    let account = |password: &str| json!({"username": USER, "password": password});
    let auths = json!({"auths": {
        format!("{host}/acme/plugin"): account(PASSWORD),
        format!("{host}/acme/wrong"): account("secret-of-nobody"),
    }});
    write_secret(path("auth.json").as_ref(), auths.to_string())?;
    let config = edge_cache_distribution::RegistryConfig {
        credentials: edge_cache_tests::registry::credentials(&host, USER, PASSWORD)?,
        ca_pem: Some(certificate.pem.clone().into_bytes()),
        plain_http: false,
        ..quick()
    };
    let reference: Reference = format!("oci://{host}/acme/plugin:1").parse()?;
    client(config)?.push(&reference, &version(1)?).await?;
    let agent = Agent::start(&[
        "--node-id",
        "1",
        "--allow-local-admin",
        "--plugin",
        &reference.to_string(),
        "--plugin-registry-credentials-file",
        &path("auth.json"),
        "--plugin-registry-ca-file",
        &path("ca.pem"),
    ])
    .await?;
    let (unknown, plain) = (unknown.address, plain.address);
    let file = "`plugin.registry_credentials_file`";
    let cases = [
        (
            format!("oci://{host}/acme/wrong:1"),
            format!(
                "the registry `{host}` refuses the user name and password: check its entry in {file}"
            ),
        ),
        (
            format!("oci://{host}/acme/other:1"),
            format!(
                "the registry `{host}` asks for a user name and password: add the registry to {file}"
            ),
        ),
        (
            format!("oci://{unknown}/acme/plugin:1"),
            format!(
                "the certificate of the registry `{unknown}` is not trusted (BadSignature): set `plugin.registry_ca_file` to \
                 the certificate of its issuer"
            ),
        ),
        (
            format!("oci://{plain}/acme/plugin:1"),
            format!(
                "the registry `{plain}` does not speak TLS: give it a certificate; `plugin.registry_plain_http` allows plain \
                 HTTP for registries on loopback only"
            ),
        ),
    ];
    let cases = cases
        .into_iter()
        .map(|(reference, said)| Ok((reference.parse()?, said)));
    refused(&agent, &cases.collect::<Result<Vec<_>>>()?).await
}
