use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use tempfile::TempDir;

use super::files::OVERHEAD;
use super::{BlobStore, Lookup, StoreError, StoreWarning};
use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::proof::{Proof, Signature};
use crate::publication::{Interface, Publication};

const LARGE: u64 = 1 << 30;

/// A plugin with a component of so many bytes, and so many signatures.
fn artifact(number: u8, bytes: usize, signatures: usize) -> Artifact {
    let component = vec![number; bytes];
    let made = Publication::new(component, &Interface::default(), BTreeMap::new()).unwrap();
    let signature = |signature: usize| Signature {
        payload: Bytes::from(format!("{number} {signature}")),
        signature: vec![number],
    };
    Artifact {
        component: made.component,
        config: Some(made.config),
        proof: Proof::new(made.manifest, (0..signatures).map(signature).collect()),
    }
}

fn digest(artifact: &Artifact) -> Digest {
    artifact.proof.manifest.digest
}

fn open(folder: &Path) -> BlobStore {
    let (store, warning) = BlobStore::open(folder, LARGE).unwrap();
    assert_eq!(warning, None);
    store
}

fn found(store: &mut BlobStore, digest: &Digest, now: u64) -> Artifact {
    match store.get(digest, now) {
        Lookup::Found(artifact, _) => *artifact,
        other => panic!("{other:?}"),
    }
}

/// The bytes of all files.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let size = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        metadata if metadata.is_dir() => size(&entry.path()),
        metadata => metadata.len(),
    };
    entries.map(size).sum()
}

fn blob(folder: &Path, digest: &Digest) -> std::path::PathBuf {
    folder.join("blobs/sha256").join(digest.hex())
}

#[test]
fn a_plugin_is_read_as_it_was_written_also_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let mut bundled = artifact(1, 100, 0);
    bundled.config = None;
    bundled.proof.has_bundle = true;
    let signed = artifact(2, 200, 3);
    let mut store = open(folder.path());
    for artifact in [&bundled, &signed] {
        store.put(artifact, 7, &[]).unwrap();
        assert_eq!(&found(&mut store, &digest(artifact), 8), artifact);
    }
    drop(store);
    let mut store = open(folder.path());
    for artifact in [&bundled, &signed] {
        match store.get(&digest(artifact), 9) {
            Lookup::Found(found, pulled_at) => assert_eq!((&*found, pulled_at), (artifact, 7)),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        store.get(&Digest::of(b"other"), 9),
        Lookup::Absent
    ));
}

#[test]
fn newer_signatures_take_the_place_of_older_ones() {
    let folder = TempDir::new().unwrap();
    let mut store = open(folder.path());
    let unsigned = artifact(1, 100, 0);
    store.put(&unsigned, 1, &[]).unwrap();
    let before = size(folder.path());
    store.put(&artifact(1, 100, 2), 2, &[]).unwrap();
    assert_eq!(
        found(&mut store, &digest(&unsigned), 3),
        artifact(1, 100, 2)
    );
    store.put(&unsigned, 1, &[]).unwrap();
    assert_eq!(found(&mut store, &digest(&unsigned), 1), unsigned);
    assert_eq!(size(folder.path()), before);
}

#[test]
fn a_tag_is_remembered_also_where_its_plugin_is_gone() {
    let folder = TempDir::new().unwrap();
    let mut store = open(folder.path());
    let plugin = artifact(1, 100, 0);
    let tag: crate::Reference = "oci://registry.example/a/b:1".parse().unwrap();
    let resolved = tag.clone().with_digest(digest(&plugin));
    assert_eq!(store.remembered(&tag), None);
    store.put(&plugin, 1, &[]).unwrap();
    store.remember(&resolved, 5).unwrap();
    // A digest alone needs no memory.
    let pinned: crate::Reference = format!("oci://registry.example/a/b@{}", digest(&plugin))
        .parse()
        .unwrap();
    store.remember(&pinned, 6).unwrap();
    assert_eq!(store.remembered(&pinned), None);
    fs::remove_file(blob(folder.path(), &digest(&plugin))).unwrap();
    let mut store = open(folder.path());
    assert_eq!(store.remembered(&tag), Some((digest(&plugin), 5)));
    assert!(matches!(store.get(&digest(&plugin), 7), Lookup::Absent));
    let other: crate::Reference = "oci://registry.example/a/b:2".parse().unwrap();
    assert_eq!(store.remembered(&other), None);
}

#[test]
fn tags_are_bounded_and_the_oldest_is_forgotten() {
    let folder = TempDir::new().unwrap();
    let mut store = open(folder.path());
    let tag = |number: usize| -> crate::Reference {
        let tag = format!("oci://registry.example/a:{number}");
        tag.parse::<crate::Reference>().unwrap()
    };
    let mut remember = |number: usize| {
        let resolved = tag(number).with_digest(Digest::of(b""));
        store.remember(&resolved, number as u64).unwrap();
    };
    remember(0);
    remember(1);
    let tags = &mut store.contents.tags;
    let newest = tags["registry.example/a:1"].clone();
    for number in 2..super::TAGS_MAX {
        tags.insert(format!("registry.example/a:{number}"), newest.clone());
    }
    let last = tag(super::TAGS_MAX).with_digest(Digest::of(b""));
    store.remember(&last, 2).unwrap();
    assert_eq!(store.remembered(&tag(0)), None);
    assert_eq!(store.remembered(&tag(1)), Some((Digest::of(b""), 1)));
}

#[test]
fn any_damaged_file_is_removed_and_pulled_again() {
    let plugin = artifact(1, 100, 1);
    let manifest = &plugin.proof.manifest;
    let payload = Digest::of(&plugin.proof.signatures[0].payload);
    for (file, after_restart) in [
        (manifest.digest, false),
        (manifest.component.digest, true),
        (payload, true),
    ] {
        for damage in ["flipped", "cut", "longer", "missing"] {
            let folder = TempDir::new().unwrap();
            let mut store = open(folder.path());
            store.put(&plugin, 1, &[]).unwrap();
            let path = blob(folder.path(), &file);
            let mut content = fs::read(&path).unwrap();
            match damage {
                "flipped" => content[0] ^= 1,
                "cut" => drop(content.pop()),
                _ => content.push(0),
            }
            fs::write(&path, content).unwrap();
            if damage == "missing" {
                fs::remove_file(&path).unwrap();
            }
            if after_restart {
                store = open(folder.path());
            }
            let looked = store.get(&manifest.digest, 2);
            assert!(matches!(looked, Lookup::Damaged), "{file} {damage}");
            assert!(!path.exists());
            store.put(&plugin, 3, &[]).unwrap();
            assert_eq!(found(&mut store, &manifest.digest, 4), plugin);
        }
    }
}

#[test]
fn a_plugin_runs_without_its_config() {
    let folder = TempDir::new().unwrap();
    let mut store = open(folder.path());
    let mut plugin = artifact(1, 100, 1);
    store.put(&plugin, 1, &[]).unwrap();
    let config = plugin.proof.manifest.config.digest;
    fs::write(blob(folder.path(), &config), "damaged").unwrap();
    plugin.config = None;
    assert_eq!(found(&mut store, &digest(&plugin), 2), plugin);
    drop(store);
    assert_eq!(found(&mut open(folder.path()), &digest(&plugin), 3), plugin);
}

#[test]
fn a_lost_signature_image_makes_no_unsigned_plugin_of_a_signed_one() {
    let folder = TempDir::new().unwrap();
    let plugin = artifact(1, 100, 1);
    let mut store = open(folder.path());
    store.put(&plugin, 1, &[]).unwrap();
    let index = fs::read_to_string(folder.path().join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let signed: Digest = index["manifests"][1]["digest"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    fs::remove_file(blob(folder.path(), &signed)).unwrap();
    assert!(matches!(store.get(&digest(&plugin), 2), Lookup::Damaged));
    let mut store = open(folder.path());
    assert!(matches!(store.get(&digest(&plugin), 2), Lookup::Absent));
}

#[test]
fn the_least_recently_used_plugins_are_evicted_and_none_that_must_stay() {
    let folder = TempDir::new().unwrap();
    let plugins = [1, 2, 3].map(|number| artifact(number, 10_000, 1));
    let [first, second, third] = &plugins;
    let limit = 30_000;
    let (mut store, _) = BlobStore::open(folder.path(), limit).unwrap();
    store.put(first, 1, &[]).unwrap();
    store.put(second, 2, &[]).unwrap();
    found(&mut store, &digest(first), 3);
    store.put(third, 4, &[]).unwrap();
    assert!(size(folder.path()) <= limit);
    assert!(matches!(store.get(&digest(second), 5), Lookup::Absent));
    found(&mut store, &digest(first), 5);

    let kept = [digest(first), digest(third)];
    let error = store.put(second, 6, &kept).unwrap_err();
    let StoreError::DoesNotFit { needed, max } = error else {
        panic!("{error}");
    };
    assert_eq!(max, limit);
    assert_eq!(
        error.to_string(),
        format!(
            "the plugin and those that must stay beside it take {needed} bytes, and `plugin.cache_bytes` is 30000: raise it"
        )
    );
    for plugin in [first, third] {
        assert_eq!(&found(&mut store, &digest(plugin), 7), plugin);
    }
    // As the error says.
    let (mut store, _) = BlobStore::open(folder.path(), needed).unwrap();
    store.put(second, 8, &kept).unwrap();
    for plugin in &plugins {
        assert_eq!(&found(&mut store, &digest(plugin), 9), plugin);
    }
    // A lower limit evicts at the next start.
    found(&mut store, &digest(third), 10);
    let (mut store, _) = BlobStore::open(folder.path(), limit).unwrap();
    assert!(size(folder.path()) <= limit);
    found(&mut store, &digest(third), 11);
    let (store, _) = BlobStore::open(folder.path(), 0).unwrap();
    assert!(store.contents.artifacts.is_empty());
    assert!(size(folder.path()) < OVERHEAD + 200);
}

#[test]
fn what_an_interrupted_write_has_left_is_removed() {
    let folder = TempDir::new().unwrap();
    let plugin = artifact(1, 100, 1);
    open(folder.path()).put(&plugin, 1, &[]).unwrap();
    let whole = size(folder.path());
    fs::write(folder.path().join("blobs/sha256/.tmp"), "half").unwrap();
    fs::write(blob(folder.path(), &Digest::of(b"whole")), "whole").unwrap();
    fs::write(folder.path().join(".tmp"), "half").unwrap();
    let mut store = open(folder.path());
    assert_eq!(found(&mut store, &digest(&plugin), 1), plugin);
    assert_eq!(size(folder.path()), whole);
    // The very first write.
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(".tmp"), "half").unwrap();
    open(folder.path());
}

#[test]
fn a_damaged_index_empties_the_store_with_a_warning() {
    let folder = TempDir::new().unwrap();
    let plugin = artifact(1, 100, 1);
    for text in [
        "",
        "{",
        r#"{"schemaVersion":2,"mediaType":"","manifests":[{"mediaType":"","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}]}"#,
    ] {
        open(folder.path()).put(&plugin, 1, &[]).unwrap();
        fs::write(folder.path().join("index.json"), text).unwrap();
        let (mut store, warning) = BlobStore::open(folder.path(), LARGE).unwrap();
        assert_eq!(warning, Some(StoreWarning::DamagedIndex), "{text}");
        assert!(matches!(store.get(&digest(&plugin), 2), Lookup::Absent));
    }
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    for (file, content) in [
        ("notes.txt", ""),
        ("index.json", "{}"),
        ("blobs/sha256/notes.txt", ""),
        ("blobs/sha512/notes.txt", ""),
        ("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let error = BlobStore::open(folder.path(), LARGE).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("` is no part of a store of plugins, which removes all that it does not need: move it away"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(path).unwrap(), content);
    }
}
