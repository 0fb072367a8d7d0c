//! Real builds of a tiny guest. It has no dependencies, so that they take no longer than the
//! standard library does, and it lies in the target folder of the guests, so that this library is
//! the one that all others use.

use std::path::{Path, PathBuf};
use std::{fs, thread};

use wit_component::{DecodedWasm, StringEncoding};
use wit_parser::{Resolve, WorldItem};

use crate::build::{build, guests_dir};
use crate::output::write_if_changed;

const MANIFEST: &str = r#"
[package]
name = "fixture"
version = "0.0.0"
edition = "2024"

[workspace]
"#;

/// The world's section is what wit-bindgen would leave in the module.
const SOURCE: &str = r#"
#[unsafe(link_section = "component-type:fixture")]
pub static WORLD: [u8; include_bytes!("world").len()] = *include_bytes!("world");

#[unsafe(no_mangle)]
pub extern "C" fn answer() -> u32 {
    42
}
"#;

const WORLD: &str = "package test:fixture; world fixture { export answer: func() -> u32; }";

/// Writes a guest to a folder of its own and answers it with a path for its component.
fn fixture(name: &str, source: &str, world: &str) -> (PathBuf, PathBuf) {
    let folder = guests_dir().join("fixtures").join(name);
    let mut resolve = Resolve::default();
    let package = resolve.push_source("fixture.wit", world).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let section =
        wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None).unwrap();
    for (file, content) in [
        ("Cargo.toml", MANIFEST.as_bytes()),
        ("src/lib.rs", source.as_bytes()),
        ("src/world", section.as_slice()),
    ] {
        write_if_changed(&folder.join(file), content).unwrap();
    }
    let output = folder.join("out").join("fixture.wasm");
    // The output of an earlier run of this test would count as unchanged.
    let _ = fs::remove_file(&output);
    (folder, output)
}

fn exports(component: &Path) -> Vec<String> {
    let bytes = fs::read(component).unwrap();
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&bytes).unwrap() else {
        panic!("{} is no component", component.display());
    };
    let world = &resolve.worlds[world];
    assert!(world.imports.is_empty());
    let exports = world.exports.iter();
    exports
        .map(|(key, item)| {
            assert!(matches!(item, WorldItem::Function(_)));
            resolve.name_world_key(key)
        })
        .collect()
}

#[test]
fn a_guest_becomes_a_component_and_a_second_build_changes_nothing() {
    let (guest, output) = fixture("answer", SOURCE, WORLD);
    let built = build(&guest, &output).unwrap();
    assert!(built.changed);
    assert_eq!(built.size as u64, fs::metadata(&output).unwrap().len());
    assert_eq!(exports(&output), ["answer"]);

    assert!(!build(&guest, &output).unwrap().changed);
    let source = guest.join("src/lib.rs");
    write_if_changed(&source, SOURCE.replace("42", "4242").as_bytes()).unwrap();
    assert!(build(&guest, &output).unwrap().changed);
    write_if_changed(&source, SOURCE.as_bytes()).unwrap();
    assert!(build(&guest, &output).unwrap().changed);
}

#[test]
fn two_builds_at_once_both_end_with_the_component() {
    let (guest, output) = fixture("twice", SOURCE, WORLD);
    let builds = || build(&guest, &output).unwrap();
    let changed = thread::scope(|scope| {
        [scope.spawn(builds), scope.spawn(builds)].map(|build| build.join().unwrap().changed)
    });
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1);
    assert_eq!(exports(&output), ["answer"]);
}

#[test]
fn guests_of_one_name_are_not_taken_for_each_other() {
    let other = SOURCE.replace("42", "77777");
    let [(one, first), (two, second)] = [
        fixture("namesake/one", SOURCE, WORLD),
        fixture("namesake/two", &other, WORLD),
    ];
    build(&one, &first).unwrap();
    build(&two, &second).unwrap();
    assert_ne!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    assert!(!build(&one, &first).unwrap().changed);
    assert!(!build(&two, &second).unwrap().changed);
}

#[test]
fn a_guest_that_does_not_compile_leaves_the_component_as_it_was() {
    let (guest, output) = fixture("broken", "compile_error!(\"on purpose\");", WORLD);
    write_if_changed(&output, b"yesterday's").unwrap();
    let error = build(&guest, &output).unwrap_err();
    let manifest = guest.join("Cargo.toml");
    let manifest = manifest.display();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cargo could not build the guest {manifest} (")),
        "{text}"
    );
    assert_eq!(fs::read(&output).unwrap(), b"yesterday's");
}

#[test]
fn a_guest_that_lacks_an_export_of_its_world_is_refused() {
    let world = "package test:fixture; world fixture { export question: func() -> u32; }";
    let (guest, output) = fixture("mismatch", SOURCE, world);
    let error = build(&guest, &output).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("cannot be made a component"), "{text}");
    assert!(text.contains("question"), "{text}");
    assert!(!output.exists());
}

#[test]
fn a_guest_without_a_world_is_refused() {
    let (guest, output) = fixture("worldless", "pub fn answer() {}", WORLD);
    let error = build(&guest, &output).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("names no world"), "{text}");
    assert!(!output.exists());
}

#[test]
fn a_manifest_that_is_not_there_is_named() {
    let error = build("no/such/guest", Path::new("unused")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not find the guest's manifest no/such/guest"
    );
}
