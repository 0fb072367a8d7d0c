//! `plugin sign` and `plugin verify` of plugins in a registry.

use anyhow::Result;
use axum::body::Bytes;
use edge_cache_distribution::{Publication, Reference};
use edge_cache_tests::agent::{Ended, run_to_end};
use edge_cache_tests::proxies::Server;
use edge_cache_tests::registry::{Scripted, client, docker_registry, publication, quick};

use super::{Folder, succeeded};

/// A registry with a plugin under the tag `1`, and a folder with keys and trust rules.
struct Case {
    registry: Server,
    folder: Folder,
    reference: Reference,
}

impl Case {
    async fn new(plugin: &Publication) -> Result<Option<Self>> {
        let Some(registry) = docker_registry(None, false).await? else {
            return Ok(None);
        };
        let case = Self {
            reference: format!("oci://{}/acme/plugin:1", registry.address).parse()?,
            registry,
            folder: Folder::new()?,
        };
        case.push(plugin).await?;
        Ok(Some(case))
    }

    async fn push(&self, plugin: &Publication) -> Result<()> {
        client(quick())?.push(&self.reference, plugin).await?;
        Ok(())
    }

    async fn run(&self, words: &[&str], file: &str) -> Result<Ended> {
        let (reference, file) = (self.reference.to_string(), self.folder.text(file));
        let [command, flag, args @ ..] = words else {
            anyhow::bail!("no command");
        };
        let plain = "--plugin-registry-plain-http";
        let own = ["plugin", command, &reference, flag, &file, plain];
        run_to_end(&[&own, args].concat()).await
    }

    async fn sign(&self, key: &str, args: &[&str]) -> Result<Ended> {
        self.run(&[&["sign", "--key"], args].concat(), key).await
    }

    /// Checks the plugin, and returns the last line.
    async fn verify(&self) -> Result<(Option<i32>, String)> {
        let ended = self.run(&["verify", "--trust"], "trust.toml").await?;
        assert_eq!(ended.stderr, "");
        let last = ended.stdout.lines().last().unwrap_or_default().to_string();
        Ok((ended.code, last))
    }

    async fn signatures(&self) -> Result<usize> {
        Ok(client(quick())?
            .proof(&self.reference)
            .await?
            .signatures
            .len())
    }
}

#[tokio::test]
async fn a_plugin_in_a_registry_is_signed_there() -> Result<()> {
    let plugin = publication(&b"a component"[..])?;
    let Some(case) = Case::new(&plugin).await? else {
        return Ok(());
    };
    let (host, name) = (case.registry.address, case.reference.name());
    let line = case.folder.keygen("release.key", &[]).await?;
    let rule = format!("repository = \"{host}/*\"\nany_of = [\"release\"]\nminimum = \"1.2.3\"");
    case.folder.trust(&[&line], &rule)?;
    let manifest = plugin.manifest.digest;
    let wants = |manifest| {
        format!(
            "REFUSED    rule 1 (`{host}/*`) wants the manifest {manifest} signed by `release` with the identity `{name}`"
        )
    };
    let unsigned = format!("{}; it has no signature", wants(manifest));
    assert_eq!(case.verify().await?, (Some(1), unsigned));

    // Signed once, and once more.
    for state in ["signed     ", "unchanged  "] {
        let ended = case.sign("release.key", &[]).await?;
        succeeded(&ended)?;
        assert_eq!(
            ended.stdout,
            format!("{state}{manifest}\nidentity   {name}\n")
        );
        assert_eq!(case.signatures().await?, 1);
    }
    let trusted = format!("trusted    by rule 1 (`{host}/*`), signed by release");
    assert_eq!(case.verify().await?, (Some(0), trusted.clone()));

    // The tag moves to a plugin that nobody signed.
    let next = publication(&b"another component"[..])?;
    case.push(&next).await?;
    let unsigned = format!("{}; it has no signature", wants(next.manifest.digest));
    assert_eq!(case.verify().await?, (Some(1), unsigned));

    // A registry may go back to what was signed, unless the file denies it.
    case.push(&plugin).await?;
    assert_eq!(case.verify().await?, (Some(0), trusted));
    let text = std::fs::read_to_string(case.folder.path("trust.toml"))?;
    std::fs::write(
        case.folder.path("trust.toml"),
        format!("denied = [\"{manifest}\"]\n{text}"),
    )?;
    let denied = format!("REFUSED    the manifest {manifest} is in `denied` of the trust file");
    assert_eq!(case.verify().await?, (Some(1), denied));
    Ok(())
}

#[tokio::test]
async fn a_copy_is_let_in_under_the_name_that_its_signer_gave() -> Result<()> {
    let plugin = publication(&b"a component"[..])?;
    let Some(case) = Case::new(&plugin).await? else {
        return Ok(());
    };
    let host = case.registry.address;
    let line = case
        .folder
        .keygen("release.key", &["--algorithm", "ed25519"])
        .await?;
    let rule = format!("repository = \"{host}/*\"\nany_of = [\"release\"]\n");
    case.folder.trust(&[&line], &rule)?;
    let ended = case
        .sign("release.key", &["--identity", "ghcr.io/acme/edge"])
        .await?;
    succeeded(&ended)?;
    let refused = format!(
        "REFUSED    rule 1 (`{host}/*`) wants the manifest {} signed by `release` with the identity `{}`; signature 1 has the \
         identity `ghcr.io/acme/edge`",
        plugin.manifest.digest,
        case.reference.name()
    );
    assert_eq!(case.verify().await?, (Some(1), refused));
    case.folder
        .trust(&[&line], &format!("{rule}identity = \"ghcr.io/acme/edge\""))?;
    assert_eq!(case.verify().await?.0, Some(0));
    Ok(())
}

#[tokio::test]
async fn a_registry_without_the_plugin_or_with_a_bundle_is_named() -> Result<()> {
    let folder = Folder::new()?;
    let line = folder.keygen("release.key", &[]).await?;
    folder.trust(&[&line], "repository = \"*\"\nany_of = [\"release\"]")?;
    let registry = Scripted::start(|_| None).await?;
    let reference = registry.reference("1");
    let plain = "--plugin-registry-plain-http";
    let (key, trust) = (folder.text("release.key"), folder.text("trust.toml"));
    for words in [["sign", "--key", &key], ["verify", "--trust", &trust]] {
        let [command, flag, file] = words;
        let ended = run_to_end(&["plugin", command, &reference, flag, file, plain]).await?;
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
        assert_eq!(
            ended.stderr,
            format!(
                "edge-cache-agent: cannot read {reference}: the registry `{}` has no `acme/plugin:1`: check its name, and \
                 whether it was pushed\n",
                registry.address
            )
        );
    }
    let plugin = publication(&b"a component"[..])?;
    registry.add("1", &plugin);
    let bundle = r#"{"schemaVersion":2,"manifests":[{"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}]}"#;
    let manifest = plugin.manifest.digest;
    registry.add_manifest(&format!("sha256-{}", manifest.hex()), &Bytes::from(bundle));
    let ended = run_to_end(&["plugin", "verify", &reference, "--trust", &trust, plain]).await?;
    assert_eq!((ended.code, &*ended.stderr), (Some(1), ""));
    let refused = format!(
        "REFUSED    rule 1 (`*`) wants the manifest {manifest} signed by `release` with the identity `{}/acme/plugin`; it has \
         no signature; its sigstore bundle is not read: sign with `cosign sign --key KEY --new-bundle-format=false \
         --use-signing-config=false` or with `edge-cache-agent plugin sign`\n",
        registry.address
    );
    assert!(ended.stdout.ends_with(&refused), "{}", ended.stdout);
    Ok(())
}
