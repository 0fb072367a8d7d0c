use std::path::Path;

use super::{Permission, run, ways};
use crate::BuildError;

fn lines(permission: Permission, has_linker: bool) -> Vec<String> {
    ways(permission, has_linker)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn packages_are_installed_only_where_that_is_allowed() {
    let rustup = "rustup target add wasm32-unknown-unknown";
    let debian =
        "apt-get update && apt-get install -y --no-install-recommends rustc-web rust-web-src";
    assert_eq!(
        lines(Permission::of(true, true), true),
        Vec::<String>::new()
    );
    assert_eq!(
        lines(Permission::of(true, false), true),
        Vec::<String>::new()
    );
    assert_eq!(lines(Permission::of(false, false), true), [rustup]);
    assert_eq!(lines(Permission::of(false, true), true), [rustup, debian]);
    assert_eq!(
        lines(Permission::of(false, true), false),
        [rustup.to_owned(), format!("{debian} lld")]
    );
}

#[test]
fn a_failed_command_is_named_with_its_last_words() {
    let here = Path::new(".");
    assert_eq!(run(&["true"], here), Ok(()));
    assert_eq!(
        run(&["sh", "-c", "echo first >&2; echo last >&2; exit 1"], here)
            .unwrap_err()
            .lines()
            .count(),
        1
    );
    assert_eq!(
        run(&["false"], here).unwrap_err(),
        "`false` failed: it gave no reason"
    );
    let missing = run(&["no-such-program-anywhere"], here).unwrap_err();
    assert!(
        missing.starts_with("`no-such-program-anywhere` did not start: "),
        "{missing}"
    );
}

#[test]
fn the_error_names_every_remedy_and_the_line_to_run() {
    let error = BuildError::NoCompiler {
        found: "/usr/bin/rustc is older than 1.95".to_owned(),
    };
    assert_eq!(
        error.to_string(),
        "no compiler here can build for wasm32-unknown-unknown (/usr/bin/rustc is older than 1.95): run `rustup target \
         add wasm32-unknown-unknown`, or on Debian as root `EDGE_CACHE_INSTALL=1 cargo plugin`"
    );
}
