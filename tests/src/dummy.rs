//! Components that are made here and now of a WIT text: all imports are there, every export traps.
//!
//! They show what the host makes of a file before anything of it runs, and of a component that always
//! fails. A component that is to do something is a guest crate instead.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, PackageId, Resolve};

/// The WIT package of the project.
pub const OUR_WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");

/// The one of the hostile guest.
const HOSTILE_WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/hostile/wit");

/// A component of our own world.
///
/// # Errors
///
/// Any error on the way.
pub fn dummy() -> Result<Vec<u8>> {
    dummy_with(str::to_string)
}

/// A policy after `edit` has gone over each file of its package.
///
/// # Errors
///
/// Any error on the way, for instance an edit that makes the package invalid.
pub fn dummy_policy(edit: impl Fn(&str) -> String) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    resolve.push_dir(OUR_WIT)?;
    let copy = edited(&Path::new(OUR_WIT).join("policy"), edit)?;
    fs::remove_file(copy.path().join("composable.wit"))?;
    let (package, _) = resolve.push_dir(copy.path())?;
    encode(&resolve, package)
}

/// A component of our own world after `edit` has gone over each of its files.
///
/// # Errors
///
/// Any error on the way, for instance an edit that makes the package invalid.
pub fn dummy_with(edit: impl Fn(&str) -> String) -> Result<Vec<u8>> {
    dummy_beside(edit, None)
}

/// Makes a dummy whose world can import from one more package.
///
/// # Errors
///
/// Any error on the way.
pub fn dummy_beside(edit: impl Fn(&str) -> String, package: Option<&str>) -> Result<Vec<u8>> {
    let copy = edited(Path::new(OUR_WIT), edit)?;
    if let Some(package) = package {
        fs::write(copy.path().join("deps/added.wit"), package)?;
    }
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(copy.path())?;
    encode(&resolve, package)
}

/// A copy of a WIT package after `edit` has gone over each of its files, those of its dependencies excepted.
///
/// # Errors
///
/// Any error of the write.
pub fn edited(wit: &Path, edit: impl Fn(&str) -> String) -> Result<TempDir> {
    let copy = tempfile::tempdir()?;
    copy_edited(wit, copy.path(), &edit)?;
    Ok(copy)
}

/// A component of the only world in `wit`, which may include our own.
///
/// # Errors
///
/// Any error on the way.
pub fn dummy_including(wit: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    resolve.push_dir(OUR_WIT)?;
    let package = resolve.push_str("dummy.wit", wit)?;
    encode(&resolve, package)
}

/// A component of the only world in `wit`, which may include our own, around a core module that is given as text.
///
/// # Errors
///
/// Any error on the way.
pub fn component_including(wit: &str, core: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    resolve.push_dir(OUR_WIT)?;
    let package = resolve.push_str("dummy.wit", wit)?;
    encode_edited(&resolve, package, |_| core.to_string())
}

/// A component of the only world in `wit`.
///
/// # Errors
///
/// Any error on the way.
pub fn dummy_of(wit: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("dummy.wit", wit)?;
    encode(&resolve, package)
}

/// A component of the hostile guest's world, which imports much of WASI, after `edit` has gone over the
/// text of its core module.
///
/// # Errors
///
/// Any error on the way, for instance an edit that makes the module invalid.
pub fn dummy_with_core(edit: impl Fn(&str) -> String) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    resolve.push_dir(OUR_WIT)?;
    let (package, _) = resolve.push_path(HOSTILE_WIT)?;
    encode_edited(&resolve, package, edit)
}

fn encode(resolve: &Resolve, package: PackageId) -> Result<Vec<u8>> {
    encode_edited(resolve, package, str::to_string)
}

fn encode_edited(
    resolve: &Resolve,
    package: PackageId,
    edit: impl Fn(&str) -> String,
) -> Result<Vec<u8>> {
    let world = resolve.select_world(&[package], None)?;
    let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let module = dummy_module(resolve, world, abi);
    let mut module = wat::parse_str(edit(&wasmprinter::print_bytes(module)?))?;
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .encode()
}

/// Edits outside `deps` only, which holds packages of others.
fn copy_edited(from: &Path, to: &Path, edit: &dyn Fn(&str) -> String) -> Result<()> {
    for item in fs::read_dir(from)? {
        let path = item?.path();
        let target = to.join(path.file_name().context("a file has a name")?);
        if path.is_dir() {
            fs::create_dir(&target)?;
            let is_ours = !path.ends_with("deps");
            copy_edited(&path, &target, if is_ours { edit } else { &str::to_string })?;
        } else {
            fs::write(&target, edit(&fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}
