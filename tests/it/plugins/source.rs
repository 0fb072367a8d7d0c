//! Plugins by reference under each pull policy: tags that move, registries that are down, restarts, and damaged files.

use std::fs;
use std::path::Path;

use anyhow::Result;
use axum::body::Bytes;
use edge_cache_core::text::error_chain;
use edge_cache_distribution::{
    BlobStore, Digest, Fetched, PluginRepository, PullPolicy, Reference, Resolve, Signature,
    SourceError,
};
use edge_cache_tests::proxies::Server;
use edge_cache_tests::registry::{client, docker_registry, publication, quick};
use tempfile::TempDir;

const LIMIT: u64 = 1024 * 1024;
const CACHE: u64 = 1024 * 1024 * 1024;

/// A registry with a plugin under a tag, and the folder of a store.
struct Case {
    registry: Server,
    folder: TempDir,
    tag: Reference,
}

impl Case {
    async fn new() -> Result<Option<Self>> {
        let Some(registry) = docker_registry(None, false).await? else {
            return Ok(None);
        };
        let tag = format!("oci://{}/acme/plugin:1", registry.address).parse()?;
        let folder = TempDir::new()?;
        let case = Self {
            registry,
            folder,
            tag,
        };
        case.push(b"first").await?;
        Ok(Some(case))
    }

    /// Pushes a plugin under the tag, and returns the digest of its manifest.
    async fn push(&self, component: &'static [u8]) -> Result<Digest> {
        let plugin = publication(component)?;
        client(quick())?.push(&self.tag, &plugin).await?;
        Ok(plugin.manifest.digest)
    }

    /// Starts: a repository over the folder.
    fn start(&self, policy: PullPolicy) -> Result<PluginRepository> {
        let (store, warning) = BlobStore::open(self.folder.path(), CACHE)?;
        assert_eq!(warning, None);
        Ok(PluginRepository::new(
            client(quick())?,
            Some(store),
            policy,
            LIMIT,
        ))
    }

    /// Starts and accepts the plugin.
    async fn accepted(&self, policy: PullPolicy) -> Result<Fetched> {
        let repository = self.start(policy)?;
        let fetched = repository.fetch(&self.tag, Resolve::Remembered).await?;
        repository
            .remember(&fetched.reference, fetched.pulled_at)
            .await?;
        Ok(fetched)
    }

    fn refused(&self) -> String {
        format!(
            "cannot reach the registry `{}`: tcp connect error: Connection refused (os error 111): check its address and the \
             network",
            self.registry.address
        )
    }
}

fn component(fetched: &Fetched) -> &str {
    std::str::from_utf8(&fetched.artifact.component).unwrap_or_default()
}

fn warnings(fetched: &Fetched) -> Vec<String> {
    let warnings = fetched.warnings.iter();
    warnings.map(|warning| error_chain(warning)).collect()
}

#[tokio::test]
async fn a_moved_tag_is_followed_at_each_start_or_only_when_asked() -> Result<()> {
    for policy in [PullPolicy::IfNotPresent, PullPolicy::Always] {
        let Some(mut case) = Case::new().await? else {
            return Ok(());
        };
        let first = case.accepted(policy).await?;
        assert_eq!(component(&first), "first");
        assert!(first.warnings.is_empty());
        let moved = case.push(b"second").await?;
        let after = case.accepted(policy).await?;
        let expected = match policy {
            PullPolicy::Always => "second",
            _ => "first",
        };
        assert_eq!(component(&after), expected, "{policy}");

        // When asked, it is followed, and remembered from when it was accepted.
        let repository = case.start(policy)?;
        let again = repository.fetch(&case.tag, Resolve::Again).await?;
        assert_eq!(component(&again), "second");
        assert_eq!(again.reference, case.tag.clone().with_digest(moved));
        drop(repository);
        let not_accepted = case.start(PullPolicy::IfNotPresent)?;
        let fetched = not_accepted.fetch(&case.tag, Resolve::Remembered).await?;
        assert_eq!(component(&fetched), expected);
        not_accepted
            .remember(&again.reference, again.pulled_at)
            .await?;
        drop(not_accepted);
        assert_eq!(
            component(&case.accepted(PullPolicy::IfNotPresent).await?),
            "second"
        );

        // Offline, with what it has.
        case.registry.stop().await?;
        let offline = case.accepted(policy).await?;
        assert_eq!(component(&offline), "second");
        assert_eq!(offline.pulled_at, again.pulled_at);
        let said = warnings(&offline);
        match policy {
            PullPolicy::Always => assert_eq!(
                said,
                [format!(
                    "the plugin is not pulled, and the stored one is used: {}",
                    case.refused()
                )]
            ),
            _ => assert!(said.is_empty(), "{said:?}"),
        }
        let asked = case.start(policy)?.fetch(&case.tag, Resolve::Again).await;
        assert_eq!(error_chain(&asked.unwrap_err()), case.refused());
    }
    Ok(())
}

#[tokio::test]
async fn under_never_only_the_store_is_asked() -> Result<()> {
    let Some(case) = Case::new().await? else {
        return Ok(());
    };
    let repository = case.start(PullPolicy::Never)?;
    let missing = repository
        .fetch(&case.tag, Resolve::Remembered)
        .await
        .unwrap_err();
    assert_eq!(
        error_chain(&missing),
        format!(
            "`{}` is not stored, and `plugin.pull` is `never`: start once with `plugin.pull = \"if-not-present\"`",
            case.tag
        )
    );
    drop(repository);
    let first = case.accepted(PullPolicy::IfNotPresent).await?;
    case.push(b"second").await?;
    let never = case.start(PullPolicy::Never)?;
    let fetched = never.fetch(&case.tag, Resolve::Remembered).await?;
    assert_eq!(component(&fetched), "first");
    assert_eq!(fetched.pulled_at, first.pulled_at);
    // By digest too.
    let fetched = never.fetch(&first.reference, Resolve::Remembered).await?;
    assert_eq!(component(&fetched), "first");
    let asked = never.fetch(&case.tag, Resolve::Again).await.unwrap_err();
    assert_eq!(
        error_chain(&asked),
        "the registry is not asked, because `plugin.pull` is `never`: use `if-not-present` to pull on demand"
    );
    Ok(())
}

#[tokio::test]
async fn a_registry_that_is_down_at_the_first_start_is_an_error() -> Result<()> {
    for policy in [PullPolicy::IfNotPresent, PullPolicy::Always] {
        let Some(mut case) = Case::new().await? else {
            return Ok(());
        };
        case.registry.stop().await?;
        let repository = case.start(policy)?;
        let error = repository
            .fetch(&case.tag, Resolve::Remembered)
            .await
            .unwrap_err();
        assert_eq!(error_chain(&error), case.refused());
        // It is back.
        case.registry.start_again().await?;
        let fetched = repository.fetch(&case.tag, Resolve::Remembered).await?;
        assert_eq!(component(&fetched), "first");
    }
    Ok(())
}

#[tokio::test]
async fn a_damaged_file_is_pulled_again_in_the_same_version() -> Result<()> {
    let Some(mut case) = Case::new().await? else {
        return Ok(());
    };
    let first = case.accepted(PullPolicy::IfNotPresent).await?;
    let digest = first.artifact.proof.manifest.digest;
    let file = case.folder.path().join("blobs/sha256");
    let file = file.join(first.artifact.proof.manifest.component.digest.hex());
    case.push(b"second").await?;
    fs::write(&file, "fi5st")?;
    let fetched = case.accepted(PullPolicy::IfNotPresent).await?;
    assert_eq!(component(&fetched), "first");
    assert_eq!(
        warnings(&fetched),
        [format!(
            "a stored file of the plugin {digest} is damaged: it is pulled again"
        )]
    );
    assert!(warnings(&case.accepted(PullPolicy::IfNotPresent).await?).is_empty());
    // Offline, that is an error.
    fs::write(&file, "fi5st")?;
    case.registry.stop().await?;
    let repository = case.start(PullPolicy::IfNotPresent)?;
    let error = repository
        .fetch(&case.tag, Resolve::Remembered)
        .await
        .unwrap_err();
    assert_eq!(
        error_chain(&error),
        format!(
            "a stored file of the plugin {digest} is damaged, and it is not pulled again: {}",
            case.refused()
        )
    );
    Ok(())
}

#[tokio::test]
async fn new_signatures_are_read_when_the_registry_is_asked() -> Result<()> {
    let Some(case) = Case::new().await? else {
        return Ok(());
    };
    let first = case.accepted(PullPolicy::IfNotPresent).await?;
    let digest = first.artifact.proof.manifest.digest;
    let signature = Signature {
        payload: Bytes::from_static(b"{}"),
        signature: vec![1],
    };
    let added = [signature.clone()];
    client(quick())?
        .push_signatures(&case.tag, &digest, &added)
        .await?;
    let repository = case.start(PullPolicy::IfNotPresent)?;
    let fetched = repository
        .fetch(&first.reference, Resolve::Remembered)
        .await?;
    assert!(fetched.artifact.proof.signatures.is_empty());
    let fetched = repository.fetch(&first.reference, Resolve::Again).await?;
    assert_eq!(fetched.artifact.proof.signatures, added);
    drop(repository);
    let fetched = case.accepted(PullPolicy::Never).await?;
    assert_eq!(fetched.artifact.proof.signatures, added);
    Ok(())
}

#[tokio::test]
async fn what_must_stay_stays_and_what_does_not_fit_is_said() -> Result<()> {
    let Some(case) = Case::new().await? else {
        return Ok(());
    };
    let first = case.accepted(PullPolicy::IfNotPresent).await?;
    let limit = size(case.folder.path())? + 2000;
    let (store, _) = BlobStore::open(case.folder.path(), limit)?;
    let client = client(quick())?;
    let repository = PluginRepository::new(client, Some(store), PullPolicy::IfNotPresent, LIMIT);
    repository
        .keep(&[first.artifact.proof.manifest.digest])
        .await;
    case.push(&[1; 1000]).await?;
    let error = repository
        .fetch(&case.tag, Resolve::Again)
        .await
        .unwrap_err();
    let text = error_chain(&error);
    assert!(matches!(error, SourceError::Store(_)), "{text}");
    assert!(
        text.starts_with("the plugin and those that must stay beside it take "),
        "{text}"
    );
    assert!(
        text.ends_with(&format!(
            " bytes, and `plugin.cache_bytes` is {limit}: raise it"
        )),
        "{text}"
    );
    let fetched = repository.fetch(&case.tag, Resolve::Remembered).await?;
    assert_eq!(component(&fetched), "first");
    // What ran before stays while its own tag is asked for again.
    repository.keep(&[]).await;
    assert!(repository.fetch(&case.tag, Resolve::Again).await.is_err());
    // For another plugin it makes room. Its tag is remembered still, and the same version is pulled again.
    let other: Reference = case
        .tag
        .to_string()
        .replace("plugin:1", "plugin:2")
        .parse()?;
    let larger = publication(vec![1; 1000])?;
    edge_cache_tests::registry::client(quick())?
        .push(&other, &larger)
        .await?;
    repository.fetch(&other, Resolve::Again).await?;
    assert!(size(case.folder.path())? <= limit);
    let fetched = repository.fetch(&case.tag, Resolve::Remembered).await?;
    assert_eq!(component(&fetched), "first");
    assert!(size(case.folder.path())? <= limit);
    Ok(())
}

#[tokio::test]
async fn without_a_store_each_fetch_asks_the_registry() -> Result<()> {
    let Some(case) = Case::new().await? else {
        return Ok(());
    };
    let repository = PluginRepository::new(client(quick())?, None, PullPolicy::IfNotPresent, LIMIT);
    let fetched = repository.fetch(&case.tag, Resolve::Remembered).await?;
    repository
        .remember(&fetched.reference, fetched.pulled_at)
        .await?;
    assert_eq!(component(&fetched), "first");
    case.push(b"second").await?;
    let fetched = repository.fetch(&case.tag, Resolve::Remembered).await?;
    assert_eq!(component(&fetched), "second");
    assert_eq!(repository.remembered(&case.tag).await, None);
    Ok(())
}

/// The bytes of all files.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += match metadata.is_dir() {
            true => size(&entry.path())?,
            false => metadata.len(),
        };
    }
    Ok(bytes)
}
