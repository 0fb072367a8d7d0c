//! Compiled code in an agent's data directory that was tampered with is not run.
//!
//! How the cache judges each kind of file is tested beside it; this is the whole way, from the store to a
//! component that answers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheRegistry, Identity, NodeCapacity, Store};
use edge_cache_tests::component::{reference_bytes, with_section};
use edge_cache_tests::dummy::dummy;

fn open(data: &Path) -> Result<Store> {
    let identity = Identity {
        node_id: Some(1),
        cluster_id: "test".to_string(),
    };
    Ok(Store::open(data, identity)?)
}

fn load(store: &Store, component: &[u8]) -> Result<Plugin> {
    let config = PluginConfig {
        cache: Some(store.code_cache()),
        ..PluginConfig::default()
    };
    Ok(Plugin::from_bytes(component, config)?)
}

/// The one file of compiled code that is not among `known`.
fn compiled(data: &Path, known: &[&Path]) -> Result<PathBuf> {
    let mut files = Vec::new();
    for file in fs::read_dir(data.join("code"))? {
        let path = file?.path();
        if !known.contains(&&*path) {
            files.push(path);
        }
    }
    ensure!(files.len() == 1, "{files:?}");
    files.pop().context("there is one")
}

/// A component whose code is taken for another's would fail here: it only traps.
async fn works(plugin: Plugin) -> Result<()> {
    let registry = EdgeCacheRegistry::builder(plugin).start().await?;
    let capacity = NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib: 512_000,
        geo: None,
    };
    registry.enable(7, capacity).await?;
    ensure!(registry.is_enabled(7));
    registry.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_was_tampered_with_is_not_run() -> Result<()> {
    let data = tempfile::tempdir()?;
    let store = open(data.path())?;
    let reference = reference_bytes()?;
    load(&store, reference)?;
    let path = compiled(data.path(), &[])?;
    let code = fs::read(&path)?;
    load(&store, &dummy()?)?;
    let trapping = fs::read(compiled(data.path(), &[&path])?)?;

    let mut flipped = code.clone();
    for byte in flipped.iter_mut().step_by(code.len() / 64) {
        *byte ^= 0x10;
    }
    // Wasmtime itself would load both the code of another component and bytes that were flipped.
    for poison in [&trapping[..], &flipped, &code[..code.len() / 2], b""] {
        fs::write(&path, poison)?;
        works(load(&store, reference)?).await?;
        ensure!(fs::read(&path)? == code, "it was not written anew");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    works(load(&store, reference)?).await?;
    let mode = fs::metadata(&path)?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_another_data_directory_is_not_run() -> Result<()> {
    let (mine, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let reference = reference_bytes()?;
    let store = open(mine.path())?;
    load(&store, reference)?;
    let path = compiled(mine.path(), &[])?;
    // It is of the right component, and whole; but this agent has never written it.
    fs::create_dir(other.path().join("code"))?;
    let name = path.file_name().context("a file has a name")?;
    let planted = other.path().join("code").join(name);
    fs::write(&planted, b"planted")?;
    let store = open(other.path())?;
    works(load(&store, reference)?).await?;
    ensure!(
        fs::read(&planted)? == fs::read(&path)?,
        "it was not written anew"
    );
    Ok(())
}

/// Otherwise the tests above would show nothing: what is as it was written is taken.
#[test]
fn code_that_is_as_it_was_written_is_taken_by_the_next_process() -> Result<()> {
    let data = tempfile::tempdir()?;
    let component = with_section(reference_bytes()?, "mark", b"1");
    load(&open(data.path())?, &component)?;
    let path = compiled(data.path(), &[])?;
    let written = fs::metadata(&path)?.modified()?;
    load(&open(data.path())?, &component)?;
    assert_eq!(fs::metadata(&path)?.modified()?, written);
    fs::write(&path, b"")?;
    load(&open(data.path())?, &component)?;
    assert_ne!(fs::metadata(&path)?.len(), 0);
    Ok(())
}

#[test]
fn a_data_directory_behind_a_link_has_a_code_cache() -> Result<()> {
    let data = tempfile::tempdir()?;
    let link = data.path().join("link");
    let real = data.path().join("real");
    std::os::unix::fs::symlink(&real, &link)?;
    fs::create_dir(&real)?;
    load(&open(&link)?, reference_bytes()?)?;
    compiled(&real, &[])?;
    Ok(())
}
