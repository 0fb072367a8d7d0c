//! The native registry itself: its unit tests, its answers and its pool, in a crate that has it as a dependency.
//!
//! That crate compiles a hundred others that nothing else here needs, so it is no member of the workspace.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use edge_cache_build::cargo;
use edge_cache_tests::long_tests;

#[test]
fn the_native_registrys_own_tests_pass_and_its_answers_are_ours() -> Result<()> {
    if !long_tests() {
        println!("skipped: EDGE_CACHE_LONG_TESTS=1 runs it");
        return Ok(());
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tests.join("zlayer");
    // The versions of this workspace, and the newest of all others.
    fs::copy(tests.join("../Cargo.lock"), folder.join("Cargo.lock"))?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zlayer");
    let status = cargo()
        .args(["test", "--target-dir"])
        .arg(target)
        .current_dir(folder)
        .status()?;
    ensure!(status.success(), "cargo test in tests/zlayer: {status}");
    Ok(())
}
