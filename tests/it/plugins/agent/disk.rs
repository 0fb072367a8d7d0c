//! The store of a running agent: its limit, damaged files, and a disk that is full.

use std::path::Path;

use edge_cache_tests::small_disk::SmallDisk;

use super::*;

/// The least `plugin.cache_bytes`.
const CACHE_BYTES: u64 = 1024 * 1024;
/// The size of a plugin of which three fit into the store, in bytes.
const THIRD: usize = 320 * 1024;

/// A plugin like the reference, of this size.
fn padded(number: u8, bytes: usize) -> Result<Publication> {
    let mut plugin = with_section(reference_bytes()?, "note", &[number]);
    // A custom section, whose length is written in three bytes.
    let length = bytes.saturating_sub(plugin.len() + 4);
    plugin.push(0);
    plugin.extend([
        u8::try_from(length & 0x7f)? | 0x80,
        u8::try_from(length >> 7 & 0x7f)? | 0x80,
        u8::try_from(length >> 14)?,
    ]);
    let start = plugin.len();
    // Its name has no bytes.
    plugin.resize(start + length, 0);
    publication(plugin)
}

impl House {
    fn store(&self) -> PathBuf {
        self.path("data/plugins")
    }

    fn blob(&self, plugin: &Publication) -> PathBuf {
        let name = plugin.manifest.component.digest.hex();
        self.store().join("blobs/sha256").join(name)
    }
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

#[tokio::test]
async fn the_store_of_an_agent_keeps_its_limit_and_what_runs() -> Result<()> {
    let Some(mut house) = House::new().await? else {
        return Ok(());
    };
    let declared = padded(0, THIRD)?;
    house.push(&declared).await?;
    let limit = CACHE_BYTES.to_string();
    let args = ["--plugin-cache-bytes", &*limit];
    let agent = house.start_from_registry(&args).await?;
    let mut last = declared.clone();
    for number in 1..=4 {
        let plugin = padded(number, THIRD)?;
        let pushed = house.push_as("acme/other:1", &plugin).await?;
        let swapped = put(&agent, &pushed).await?;
        assert_eq!(swapped.status, 200, "{number}: {swapped:?}");
        assert_eq!(digest(&agent).await?, text(&plugin));
        let used = size(&house.store())?;
        assert!(used <= CACHE_BYTES, "{number}: {used}");
        for kept in [&declared, &plugin] {
            assert!(house.blob(kept).exists(), "{number}");
        }
        last = plugin;
    }
    // Beside both of them there is no room for a larger one.
    let large = padded(5, 2 * THIRD)?;
    let pushed = house.push_as("acme/other:2", &large).await?;
    let refused = put(&agent, &pushed).await?;
    let said = detail(&refused)?;
    let told = "the plugin and those that must stay beside it take ";
    let remedy = " bytes, and `plugin.cache_bytes` is 1048576: raise it";
    assert!(said.starts_with(told) && said.ends_with(remedy), "{said}");
    assert_eq!(digest(&agent).await?, text(&last));

    // Without the registry: back to the declared one, to the other one by its digest, and a restart.
    house.registry.stop().await?;
    let other = format!("oci://{}/acme/other:1", house.registry.address);
    let other = other.parse::<Reference>()?;
    for (back, expected) in [
        (post(&agent, REVERT).await?, &declared),
        (
            put(&agent, &other.with_digest(last.manifest.digest)).await?,
            &last,
        ),
    ] {
        assert_eq!(back.status, 200, "{back:?}");
        assert_eq!(back.body["origin"]["digest"], text(expected));
    }
    agent.terminate().await?;
    let agent = house.start_from_registry(&args).await?;
    assert_eq!(digest(&agent).await?, text(&declared));
    let used = size(&house.store())?;
    assert!(used <= CACHE_BYTES, "{used}");
    Ok(())
}

#[tokio::test]
async fn a_damaged_file_of_the_store_is_pulled_again() -> Result<()> {
    let Some(mut house) = House::new().await? else {
        return Ok(());
    };
    let (first, second) = (version(1)?, version(2)?);
    let source = house.reference.clone().with_digest(first.manifest.digest);
    let damage = || -> Result<()> {
        let mut content = first.component.to_vec();
        content.reverse();
        Ok(fs::write(house.blob(&first), content)?)
    };
    let is_whole = || -> Result<bool> { Ok(fs::read(house.blob(&first))? == first.component) };
    let agent = house.start_from_registry(&[]).await?;
    agent.terminate().await?;

    // At a start.
    damage()?;
    let agent = house.start_from_registry(&[]).await?;
    assert_eq!(digest(&agent).await?, text(&first));
    assert!(is_whole()?);
    // While the agent runs.
    let other = house.push_as("acme/other:1", &second).await?;
    for reference in [&other, &source] {
        damage()?;
        let swapped = put(&agent, reference).await?;
        assert_eq!(swapped.status, 200, "{swapped:?}");
    }
    assert!(is_whole()?);

    // Without the registry: what runs goes on, and a start says what is missing.
    assert_eq!(put(&agent, &other).await?.status, 200);
    damage()?;
    let address = house.registry.address;
    let blob = house.blob(&first);
    house.registry.stop().await?;
    let expected = format!(
        "a stored file of the plugin {} is damaged, and it is not pulled again: cannot reach the registry `{address}`: tcp \
         connect error: Connection refused (os error 111): check its address and the network",
        first.manifest.digest
    );
    for refused in [post(&agent, REVERT).await?, put(&agent, &source).await?] {
        assert_eq!(refused.status, 502, "{refused:?}");
        assert_eq!(detail(&refused)?, expected);
        assert_eq!(digest(&agent).await?, text(&second));
    }
    fs::write(&blob, b"damaged")?;
    agent.terminate().await?;
    let ended = house
        .fail(&["--plugin", &house.reference.to_string()])
        .await?;
    assert!(ended.stderr.contains(&expected), "{ended:?}");
    house.registry.start_again().await?;
    let agent = house.start_from_registry(&[]).await?;
    assert_eq!(digest(&agent).await?, text(&first));
    Ok(())
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_the_plugin_goes_on() -> Result<()> {
    let (Some(house), Some(disk)) = (House::new().await?, SmallDisk::mount(64 * 1024)?) else {
        return Ok(());
    };
    let (first, second) = (version(1)?, version(2)?);
    let data = disk.path().join("data").display().to_string();
    let reference = house.reference.to_string();
    let agent = Agent::start(&[
        "--node-id",
        "1",
        "--allow-local-admin",
        "--plugin-registry-plain-http",
        "--data-dir",
        &data,
        "--plugin",
        &reference,
    ])
    .await?;
    let pushed = house.push_as("acme/other:1", &second).await?;
    house.push(&second).await?;
    disk.fill()?;
    let again = format!("{RELOAD}?pull=true");
    for refused in [put(&agent, &pushed).await?, post(&agent, &again).await?] {
        assert_eq!(refused.status, 502, "{refused:?}");
        assert_eq!(
            detail(&refused)?,
            format!(
                "cannot use `{data}/plugins/index.json`: No space left on device (os error 28)"
            )
        );
        assert_eq!(digest(&agent).await?, text(&first));
        let ready = agent.ask(Method::GET, "/health/readyz", None).await?;
        assert_eq!(ready.status, 200, "{ready:?}");
    }
    disk.free()?;
    let pulled = post(&agent, &again).await?;
    assert_eq!(pulled.status, 200, "{pulled:?}");
    assert_eq!(digest(&agent).await?, text(&second));
    Ok(())
}
