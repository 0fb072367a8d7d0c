use std::fs;

use super::{has_library, is_recent};

#[test]
fn versions_are_compared_as_numbers() {
    let (major, minor) = env!("CARGO_PKG_RUST_VERSION").split_once('.').unwrap();
    let minor: u32 = minor.parse().unwrap();
    assert!(is_recent(&format!(
        "rustc {major}.{minor}.0 (59807616e 2026-04-14)"
    )));
    assert!(is_recent(&format!(
        "rustc {major}.{}.0-nightly",
        minor + 905
    )));
    assert!(!is_recent(&format!(
        "rustc {major}.{}.9 (built from a source tarball)",
        minor - 1
    )));
    assert!(!is_recent("rustc 1.9.0"));
    assert!(!is_recent("something else"));
    assert!(!is_recent(""));
}

#[test]
fn only_the_libraries_prove_that_a_target_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!has_library(&folder.path().join("missing"), "libcore-"));
    fs::write(folder.path().join("libcore-e1e3406830aa07ec.rmeta"), "").unwrap();
    assert!(!has_library(folder.path(), "libcore-"));
    fs::write(folder.path().join("libcore-e1e3406830aa07ec.rlib"), "").unwrap();
    assert!(has_library(folder.path(), "libcore-"));
    assert!(!has_library(folder.path(), "libstd-"));
}
