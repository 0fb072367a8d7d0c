//! A real registry, Debian's: what is pushed can be pulled, by tools of others too, and theirs by ours.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use edge_cache_core::text::error_chain;
use edge_cache_distribution::{
    BlobStore, COMPONENT_TYPE, Digest, Manifest, PluginRepository, Publication, PullPolicy,
    Reference, Resolve, Signature,
};
use edge_cache_tests::debian::SKOPEO;
use edge_cache_tests::proxies::Server;
use edge_cache_tests::registry::{
    Certificate, PASSWORD, USER, client, credentials, docker_registry, publication, quick,
};
use tempfile::TempDir;

const LIMIT: u64 = 1024 * 1024;

fn reference(registry: &Server, name: &str) -> Result<Reference> {
    Ok(format!("oci://{}/{name}", registry.address).parse()?)
}

fn signature(number: u8) -> Signature {
    Signature {
        payload: Bytes::from(format!("{{\"number\":{number}}}")),
        signature: vec![number; 64],
    }
}

#[tokio::test]
async fn a_pushed_plugin_is_pulled_by_tag_and_by_digest() -> Result<()> {
    let Some(registry) = docker_registry(None, false).await? else {
        return Ok(());
    };
    let client = client(quick())?;
    let plugin = publication(vec![7; 700_000])?;
    let tag = reference(&registry, "acme/plugin:1.2.3")?;
    let pushed = client.push(&tag, &plugin).await?;
    assert_eq!(pushed, tag.clone().with_digest(plugin.manifest.digest));
    // The same once more is the same.
    assert_eq!(client.push(&tag, &plugin).await?, pushed);
    let digest = format!("acme/plugin@{}", plugin.manifest.digest);
    for reference in [tag.clone(), pushed, reference(&registry, &digest)?] {
        let pulled = client.pull(&reference, LIMIT).await?;
        assert_eq!(pulled.component, plugin.component);
        assert_eq!(pulled.config.as_ref(), Some(&plugin.config));
        assert_eq!(pulled.proof.manifest, plugin.manifest);
        assert!(pulled.proof.signatures.is_empty() && !pulled.proof.has_bundle);
    }
    // Without a tag, under its digest only.
    let other = publication(&b"other"[..])?;
    let untagged = reference(&registry, &format!("acme/plugin@{}", other.manifest.digest))?;
    client.push(&untagged, &other).await?;
    assert_eq!(
        client.pull(&untagged, LIMIT).await?.component,
        other.component
    );
    let error = client.push(&untagged, &plugin).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        format!(
            "the reference ends with `@{}`, and this plugin's manifest is {}: push it to a tag",
            other.manifest.digest, plugin.manifest.digest
        )
    );
    for missing in ["acme/plugin:2", "acme/other:1.2.3"] {
        let error = client.pull(&reference(&registry, missing)?, LIMIT).await;
        assert_eq!(
            error_chain(&error.unwrap_err()),
            format!(
                "the registry `{}` has no `{missing}`: check its name, and whether it was pushed",
                registry.address
            )
        );
    }
    Ok(())
}

#[tokio::test]
async fn signatures_are_added_to_those_that_are_there() -> Result<()> {
    let Some(registry) = docker_registry(None, false).await? else {
        return Ok(());
    };
    let client = client(quick())?;
    let plugin = publication(&b"a component"[..])?;
    let tag = reference(&registry, "acme/plugin:1")?;
    client.push(&tag, &plugin).await?;
    let digest = plugin.manifest.digest;
    let signatures = [signature(1), signature(2), signature(3)];
    client
        .push_signatures(&tag, &digest, &signatures[..1])
        .await?;
    client
        .push_signatures(&tag, &digest, &signatures[..2])
        .await?;
    client
        .push_signatures(&tag, &digest, &signatures[1..])
        .await?;
    assert_eq!(client.proof(&tag).await?.signatures, signatures);
    Ok(())
}

#[tokio::test]
async fn a_private_registry_over_tls_wants_the_right_password_and_the_right_roots() -> Result<()> {
    let certificate = Certificate::new()?;
    let Some(registry) = docker_registry(Some(&certificate), true).await? else {
        return Ok(());
    };
    let host = registry.address.to_string();
    let tag = reference(&registry, "acme/plugin:1")?;
    let plugin = publication(&b"a component"[..])?;
    let mut config = quick();
    config.plain_http = false;
    config.ca_pem = Some(certificate.pem.clone().into_bytes());
    let pull = async |config| -> Result<String> {
        let pulled = client(config)?.pull(&tag, LIMIT).await;
        Ok(pulled.map_or_else(|error| error_chain(&error), |_| "pulled".to_string()))
    };
    let no_password = format!(
        "the registry `{host}` asks for a user name and password: add the registry to `plugin.registry_credentials_file`"
    );
    let wrong = format!(
        "the registry `{host}` refuses the user name and password: check its entry in `plugin.registry_credentials_file`"
    );
    assert_eq!(pull(config.clone()).await?, no_password);
    let pushed = client(config.clone())?.push(&tag, &plugin).await;
    assert_eq!(error_chain(&pushed.unwrap_err()), no_password);
    config.credentials = credentials(&host, USER, "wrong")?;
    assert_eq!(pull(config.clone()).await?, wrong);
    config.credentials = credentials("registry.example", USER, PASSWORD)?;
    assert_eq!(pull(config.clone()).await?, no_password);
    config.credentials = credentials(&host, USER, PASSWORD)?;
    client(config.clone())?.push(&tag, &plugin).await?;
    client(config.clone())?
        .push_signatures(&tag, &plugin.manifest.digest, &[signature(1)])
        .await?;
    assert_eq!(pull(config.clone()).await?, "pulled");

    // Other roots, and those of the system. A password goes to none of them.
    let not_trusted = format!(
        "the certificate of the registry `{host}` is not trusted (UnknownIssuer): set `plugin.registry_ca_file` to the \
         certificate of its issuer"
    );
    config.ca_pem = None;
    assert_eq!(pull(config.clone()).await?, not_trusted);
    config.ca_pem = Some(Certificate::new()?.pem.into_bytes());
    assert!(pull(config.clone()).await?.starts_with(&format!(
        "the certificate of the registry `{host}` is not trusted ("
    )));
    Ok(())
}

#[tokio::test]
async fn a_registry_without_tls_is_asked_only_if_allowed_and_on_loopback() -> Result<()> {
    let Some(registry) = docker_registry(None, true).await? else {
        return Ok(());
    };
    let host = registry.address.to_string();
    let tag = reference(&registry, "acme/plugin:1")?;
    let mut config = quick();
    config.credentials = credentials(&host, USER, PASSWORD)?;
    let plugin = publication(&b"a component"[..])?;
    client(config.clone())?.push(&tag, &plugin).await?;
    client(config.clone())?.pull(&tag, LIMIT).await?;
    config.plain_http = false;
    let error = client(config)?.pull(&tag, LIMIT).await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        format!(
            "the registry `{host}` does not speak TLS: give it a certificate; `plugin.registry_plain_http` allows plain HTTP \
             for registries on loopback only"
        )
    );
    Ok(())
}

/// Manifests of one component in the layouts of others.
pub(super) fn in_the_layouts_of_others(
    component: &Bytes,
) -> Result<Vec<(&'static str, Publication)>> {
    let made = |config: &str, config_type: &str, layer_type: &str, more: &str| {
        let (config_digest, digest) = (Digest::of(config.as_bytes()), Digest::of(component));
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"{more},"config":{{"mediaType":"{config_type}","digest":"{config_digest}","size":{}}},"layers":[{{"mediaType":"{layer_type}","digest":"{digest}","size":{},"annotations":{{"org.opencontainers.image.title":"plugin.wasm"}}}}]}}"#,
            config.len(),
            component.len()
        );
        Ok(Publication {
            component: component.clone(),
            config: Bytes::from(config.to_string()),
            manifest: Manifest::parse(Bytes::from(manifest))?,
        })
    };
    let older = "application/vnd.wasm.content.layer.v1+wasm";
    let config = "application/vnd.wasm.config.v1+json";
    let empty = "application/vnd.oci.empty.v1+json";
    let artifact = r#","artifactType":"application/wasm""#;
    [
        ("older", made("{}", config, older, "")),
        ("artifact", made("{}", empty, COMPONENT_TYPE, artifact)),
        (
            "zlayer",
            made("{}", empty, "application/vnd.wasm.component.v1+wasm", ""),
        ),
    ]
    .into_iter()
    .map(|(tag, made): (_, Result<_>)| Ok((tag, made?)))
    .collect()
}

/// Runs skopeo and returns its output; none where it is missing.
pub(super) fn skopeo(args: &[&str]) -> Result<Option<String>> {
    let Some(program) = SKOPEO.program() else {
        return Ok(None);
    };
    let output = Command::new(program)
        .args(["--insecure-policy"])
        .args(args)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{args:?}: {said}");
    Ok(Some(String::from_utf8(output.stdout)?))
}

#[tokio::test]
async fn the_layouts_of_others_are_pulled_and_ours_is_read_by_their_tools() -> Result<()> {
    let (Some(registry), Some(_)) = (docker_registry(None, false).await?, SKOPEO.program()) else {
        return Ok(());
    };
    let client = client(quick())?;
    let component = Bytes::from_static(b"a component");
    for (tag, plugin) in in_the_layouts_of_others(&component)? {
        let tag = reference(&registry, &format!("others/plugin:{tag}"))?;
        client.push(&tag, &plugin).await?;
        let pulled = client.pull(&tag, LIMIT).await?;
        assert_eq!(pulled.component, component);
        assert_eq!(pulled.proof.manifest.bytes, plugin.manifest.bytes);
    }

    // Ours, copied by another tool to another repository, and its signatures.
    let plugin = publication(component.clone())?;
    let digest = plugin.manifest.digest;
    let ours = reference(&registry, "acme/plugin:1.2.3")?;
    client.push(&ours, &plugin).await?;
    client
        .push_signatures(&ours, &digest, &[signature(1)])
        .await?;
    let at = |name: &str| format!("docker://{}/{name}", registry.address);
    let copy = |from: &str, to: &str| {
        let (from, to) = (at(from), at(to));
        skopeo(&[
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            &from,
            &to,
        ])
    };
    copy("acme/plugin:1.2.3", "copies/plugin:1")?;
    let signed = format!("sha256-{}.sig", digest.hex());
    copy(
        &format!("acme/plugin:{signed}"),
        &format!("copies/plugin:{signed}"),
    )?;
    let pulled = client
        .pull(&reference(&registry, "copies/plugin:1")?, LIMIT)
        .await?;
    assert_eq!(pulled.proof.manifest, plugin.manifest);
    assert_eq!(pulled.proof.signatures, [signature(1)]);

    let at_ours = at("acme/plugin:1.2.3");
    let inspect =
        |what: &[&str]| skopeo(&[&["inspect", "--tls-verify=false", "--raw"], what].concat());
    let shown = Some(String::from_utf8(plugin.manifest.bytes.to_vec())?);
    assert_eq!(inspect(&[&at_ours])?, shown);
    let config = inspect(&["--config", &at_ours])?.context("skopeo is there")?;
    assert_eq!(config.as_bytes(), &plugin.config);

    // The folder of the store.
    let folder = TempDir::new()?;
    let (store, _) = BlobStore::open(folder.path(), u64::MAX)?;
    let repository = PluginRepository::new(client, Some(store), PullPolicy::IfNotPresent, LIMIT);
    let fetched = repository.fetch(&ours, Resolve::Remembered).await?;
    repository
        .remember(&fetched.reference, fetched.pulled_at)
        .await?;
    let stored = |name: &str| format!("oci:{}:{name}", folder.path().display());
    let name = stored(&format!("{}/acme/plugin:1.2.3", registry.address));
    assert_eq!(inspect(&[&name])?, shown);
    assert_eq!(inspect(&["--config", &name])?, Some(config));
    let signatures = inspect(&[&stored(&signed)])?.context("skopeo is there")?;
    assert!(signatures.contains("simplesigning"), "{signatures}");
    // Back into a registry.
    skopeo(&[
        "copy",
        "--dest-tls-verify=false",
        &name,
        &at("back/plugin:1"),
    ])?;
    let back = reference(&registry, "back/plugin:1")?;
    let back = repository.client().pull(&back, LIMIT).await?;
    assert_eq!(back.proof.manifest, plugin.manifest);
    Ok(())
}
