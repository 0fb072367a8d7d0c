//! The order of the crates, what each must not know, and imports that go one way only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edge_cache_tests::structure::circles;

mod crates;
mod files;
mod published;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn the_files_of_a_crate_do_not_import_each_other_in_circles() -> Result<()> {
    let mut found = String::new();
    for folder in folders()? {
        for circle in circles(&folder)? {
            found.push_str(&format!("{circle}\n").replace(&format!("{ROOT}/"), ""));
        }
    }
    ensure!(found.is_empty(), "circles of imports:\n{found}");
    Ok(())
}

#[test]
fn a_crate_without_circles_passes() -> Result<()> {
    let folder = crate_of(&[
        // Re-exports and declarations are not imports.
        ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;"),
        (
            "a.rs",
            "mod inner;\nuse crate::B;\npub struct A(B, inner::Inner);",
        ),
        // Links in comments, names of fields and tests do not count.
        (
            "a/inner.rs",
            "/// See [`crate::A`].\npub struct Inner { pub a: u8 }",
        ),
        (
            "b.rs",
            "pub struct B;\nimpl B { #[cfg(test)] fn a() -> crate::A { todo!() } }\n\
             #[cfg(test)]\nmod tests { use crate::a::A; }",
        ),
    ])?;
    ensure!(circles(folder.path())?.is_empty());
    Ok(())
}

#[test]
fn a_circle_is_found_with_its_files() -> Result<()> {
    let root = ("lib.rs", "mod a;\nmod b;\nmod c;\npub use b::B;");
    let a = ("a.rs", "use crate::B;\npub struct A(B);");
    let ways = [
        "use crate::a::A;\npub struct C;",
        "pub struct C(super::a::A);",
        "use super::{a, b};\npub struct C;\nfn f() { println!(\"{}\", a::A::X); }",
        "use crate::a::*;\npub struct C(A);",
        "pub fn c() { use crate::{a::{A as Other}}; }\npub struct C;",
    ];
    for way in ways {
        let b = ("b.rs", "use crate::c;\npub struct B(c::C);");
        let folder = crate_of(&[root, a, b, ("c.rs", way)])?;
        let found = circles(folder.path())?;
        ensure!(found.len() == 1, "{way}: {found:?}");
        let text = found[0].to_string();
        for part in ["a.rs:1 uses crate::B of", "b.rs:2 uses c::C of", "c.rs:"] {
            ensure!(text.contains(part), "{way}: {text}");
        }
    }
    Ok(())
}

#[test]
fn a_child_and_its_parent_that_use_each_other_are_a_circle() -> Result<()> {
    let child = ("a.rs", "use super::Shared;\npub struct A(Shared);");
    let parent = |text| crate_of(&[("lib.rs", text), child]);
    let user = parent("mod a;\npub use a::A;\npub struct Shared;\npub fn f(_: A) {}")?;
    ensure!(circles(user.path())?.len() == 1);
    let exporter = parent("mod a;\npub use a::A;\npub struct Shared;")?;
    ensure!(circles(exporter.path())?.is_empty());
    Ok(())
}

/// The crates below `host/` and `plugin/`.
fn folders() -> Result<Vec<PathBuf>> {
    let root = Path::new(ROOT);
    let plugins = ["", "build", "reference", "sdk"];
    let mut folders = plugins.map(|name| root.join("plugin").join(name)).to_vec();
    for entry in fs::read_dir(root.join("host"))? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            folders.push(folder);
        }
    }
    ensure!(folders.len() > 8, "only {folders:?}");
    Ok(folders)
}

fn crate_of(files: &[(&str, &str)]) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for (name, text) in files {
        let path = folder.path().join("src").join(name);
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(path, text)?;
    }
    Ok(folder)
}
