//! The steps of a build, the guests of this workspace, and their target folders.

use std::env;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use wasm_encoder::{ComponentNameSection, ComponentSection as _, CustomSection};
use wit_component::{ComponentEncoder, metadata};

use crate::{cargo, compiler, output};

#[cfg(test)]
mod tests;

/// File of the reference plugin in its composable form.
const COMPOSABLE_NAME: &str = "edge-cache-composable.wasm";

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Path of the file.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: usize,
    /// True if this build changed the file.
    pub changed: bool,
}

/// Builds the guest with this `Cargo.toml`, or in this folder, and writes its component to `output`.
///
/// `output` is replaced atomically, and only if its bytes change; its folder is created if it is missing. While
/// another process builds a guest in the same target folder, this one waits.
///
/// # Errors
///
/// The guest does not compile or has no world, a program is missing, or a file cannot be used. `output` is unchanged.
pub fn build(guest: impl AsRef<Path>, output: &Path) -> Result<Built> {
    build_with(guest, &[], output)
}

/// Builds a guest with these cargo features beside its default ones.
fn build_with(guest: impl AsRef<Path>, features: &[&str], output: &Path) -> Result<Built> {
    let manifest = find_manifest(guest.as_ref())?;
    let target_dir = target_dir(&manifest)?;
    // The lock covers all steps from the setup of the compiler to the output file.
    let _turn = output::take_turn(&target_dir)?;
    let rustc = compiler::find(cargo::folder(&manifest))?;
    let module = cargo::build_module(&manifest, features, &rustc, &target_dir)?;
    let component = named(encode(&module)?, &cargo::package_of(&manifest)?);
    let changed = output::write_if_changed(output, &component)?;
    if changed {
        output::report(&format!(
            "wrote {} ({} bytes)",
            output.display(),
            component.len()
        ));
    }
    Ok(Built {
        path: output.to_path_buf(),
        size: component.len(),
        changed,
    })
}

/// Builds the reference plugin, and beside it the form that is composed with a policy.
///
/// Returns the path of the plugin: the value of `REFERENCE_PLUGIN_FILE`, which cargo sets from the workspace's
/// configuration. Each call runs cargo twice, which takes 500 ms.
///
/// # Errors
///
/// See [`build`].
pub fn build_reference_plugin() -> Result<PathBuf> {
    // A test program that is run without cargo uses the value at compile time.
    let set = env::var_os("REFERENCE_PLUGIN_FILE")
        .or(option_env!("REFERENCE_PLUGIN_FILE").map(Into::into))
        .context(
            "REFERENCE_PLUGIN_FILE is not set; run cargo inside the workspace, whose .cargo/config.toml sets it",
        )?;
    let plugin = Path::new(&set);
    let composable = plugin.with_file_name(COMPOSABLE_NAME);
    build_with(root().join("plugin"), &["composable"], &composable)?;
    Ok(build(root().join("plugin"), plugin)?.path)
}

/// Builds the guest in the folder `tests/guests/<name>` and returns the path of its component.
///
/// # Errors
///
/// See [`build`].
pub fn build_guest(name: &str) -> Result<PathBuf> {
    let output = guests_dir()
        .join("components")
        .join(name)
        .with_extension("wasm");
    Ok(build(root().join("tests/guests").join(name), &output)?.path)
}

/// Returns the absolute path of a guest's `Cargo.toml`.
fn find_manifest(given: &Path) -> Result<PathBuf> {
    let file = if given.is_dir() {
        given.join("Cargo.toml")
    } else {
        given.to_path_buf()
    };
    let found = if file.is_file() {
        std::path::absolute(&file).map_err(Into::into)
    } else {
        Err(anyhow!(
            "there is no such file; give a guest's Cargo.toml or its folder"
        ))
    };
    found.with_context(|| format!("could not find the guest's manifest {}", file.display()))
}

/// Encodes the module at `path` as a component of the world in its custom section, like `wasm-tools component new`.
///
/// Guests for this target have no imports of WASI preview 1, so no adapter is needed.
fn encode(path: &Path) -> Result<Vec<u8>> {
    let module = std::fs::read(path)
        .with_context(|| format!("could not read the module {}", path.display()))?;
    let failed = || {
        format!(
            "the module {} cannot be made a component; its exports and imports must be those of its world",
            path.display()
        )
    };
    // Without a world, the encoder would make an empty component.
    let (stripped, _) = metadata::decode(&module).with_context(failed)?;
    ensure!(
        stripped.is_some(),
        "the module {} names no world; a guest calls `wit_bindgen::generate!` and exports what it generates",
        path.display()
    );
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder
        .validate(true)
        .module(&module)
        .and_then(ComponentEncoder::encode);
    encoded.with_context(failed)
}

/// Appends what a manifest says of its package, as `wasm-tools metadata add` does. What it does not say stays absent.
fn named(mut component: Vec<u8>, package: &Value) -> Vec<u8> {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    if let Some(name) = text("name") {
        let mut names = ComponentNameSection::new();
        names.component(name);
        names.append_to_component(&mut component);
    }
    for (section, key) in [
        ("version", "version"),
        ("licenses", "license"),
        ("description", "description"),
    ] {
        if let Some(text) = text(key) {
            let section = CustomSection {
                name: section.into(),
                data: text.as_bytes().into(),
            };
            section.append_to_component(&mut component);
        }
    }
    component
}

/// Returns the target folder of the guest with this manifest.
///
/// All guests below this workspace share one, so that the standard library is compiled once. Every other
/// workspace has its own, since cargo distinguishes crates only by their paths within a workspace.
fn target_dir(manifest: &Path) -> Result<PathBuf> {
    let shared = guests_dir();
    if manifest.starts_with(root()) || manifest.starts_with(&shared) {
        return Ok(shared);
    }
    let workspace = cargo::workspace_of(manifest)?;
    let mut hasher = DefaultHasher::new();
    workspace.hash(&mut hasher);
    Ok(shared
        .join("foreign")
        .join(format!("{:016x}", hasher.finish())))
}

/// Returns the shared target folder of guests.
///
/// A target folder in cargo's configuration is ignored, since reading it would take a call of cargo each time.
pub(crate) fn guests_dir() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").filter(|target| !target.is_empty());
    root()
        .join(target.unwrap_or_else(|| "target".into()))
        .join("guests")
}

/// Returns the folder of the workspace. This crate is at `plugin/build`.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
