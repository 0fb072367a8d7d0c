use std::fs;
use std::path::Path;

use super::{DEBIAN, RUSTUP, TARGET, has_library, permitted, run};

#[test]
fn packages_are_installed_only_where_that_is_allowed() {
    assert!(permitted(true, true).is_empty());
    assert!(permitted(true, false).is_empty());
    assert_eq!(permitted(false, false), [RUSTUP]);
    assert_eq!(permitted(false, true), [RUSTUP, DEBIAN]);
    assert!(RUSTUP.ends_with(TARGET));
}

#[test]
fn a_failed_command_is_named_with_its_last_words() {
    let here = Path::new(".");
    let failure = |command| run(command, here).unwrap_err().to_string();
    run("true", here).unwrap();
    assert_eq!(
        failure("echo first >&2; echo last >&2; exit 1"),
        "`echo first >&2; echo last >&2; exit 1` failed: last"
    );
    assert_eq!(failure("false"), "`false` failed: it gave no reason");
    let missing = failure("no-such-program-anywhere");
    assert!(
        missing.starts_with("`no-such-program-anywhere` failed: ") && missing.contains("not found"),
        "{missing}"
    );
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
