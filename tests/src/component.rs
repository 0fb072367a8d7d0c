//! Components for tests: built by the project's own builder, compiled once in a process.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, anyhow};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use sha2::{Digest, Sha256};

/// The bytes of the reference component, built from the present sources.
///
/// # Errors
///
/// Any error of the build.
pub fn reference_bytes() -> Result<&'static [u8]> {
    static BYTES: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    BYTES
        .get_or_init(|| {
            let path = edge_cache_build::build_reference_plugin().map_err(|e| format!("{e:#}"))?;
            std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
        })
        .as_deref()
        .map_err(|error| anyhow!("the reference component is not there: {error}"))
}

/// The deadline of a call that a busy machine keeps.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The reference component with the default configuration, compiled once.
///
/// # Errors
///
/// Any error of the build or compilation.
pub fn reference_plugin() -> Result<Plugin> {
    static PLUGIN: OnceLock<Result<Plugin, String>> = OnceLock::new();
    PLUGIN
        .get_or_init(|| {
            reference_plugin_with(PluginConfig::default()).map_err(|e| format!("{e:#}"))
        })
        .clone()
        .map_err(|error| anyhow!(error))
}

/// The reference component with deadlines that a busy machine keeps, compiled once: where time is virtual, calls still
/// take real time.
///
/// # Errors
///
/// Any error of the build or compilation.
pub fn patient_reference_plugin() -> Result<Plugin> {
    static PLUGIN: OnceLock<Result<Plugin, String>> = OnceLock::new();
    PLUGIN
        .get_or_init(|| {
            let mut config = PluginConfig::default();
            config.limits.call_deadline = PATIENCE;
            config.limits.load_deadline = PATIENCE;
            reference_plugin_with(config).map_err(|e| format!("{e:#}"))
        })
        .clone()
        .map_err(|error| anyhow!(error))
}

/// The reference component, configured as the test needs it.
///
/// # Errors
///
/// Any error of the build or compilation.
pub fn reference_plugin_with(config: PluginConfig) -> Result<Plugin> {
    Ok(Plugin::from_bytes(reference_bytes()?, config)?)
}

/// The component that misbehaves as its settings say, built once in a process.
///
/// # Errors
///
/// Any error of the build.
pub fn hostile() -> Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    guest(&PATH, "hostile")
}

/// The reference with one semantic broken on demand, built once in a process.
///
/// # Errors
///
/// Any error of the build.
pub fn mutant() -> Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    guest(&PATH, "mutant")
}

/// The registry of allowed regions, built once in a process.
///
/// # Errors
///
/// Any error of the build.
pub fn region() -> Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    guest(&PATH, "region")
}

/// The policy whose setting decides what it does, built once in a process.
///
/// # Errors
///
/// Any error of the build.
pub fn policy() -> Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    guest(&PATH, "policy")
}

/// The component that is built against the frozen 0.1.0, built once in a process.
///
/// # Errors
///
/// Any error of the build.
pub fn released() -> Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    guest(&PATH, "released")
}

fn guest(path: &'static OnceLock<Result<PathBuf, String>>, name: &str) -> Result<&'static Path> {
    path.get_or_init(|| edge_cache_build::build_guest(name).map_err(|e| format!("{e:#}")))
        .as_deref()
        .map_err(|error| anyhow!("the guest {name} is not there: {error}"))
}

/// The digest of a file, as `sha256sum` prints it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Appends a custom section to a plugin: another file with the same behaviour.
#[must_use]
pub fn with_section(component: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let mut section = vec![short(name.len())];
    section.extend(name.as_bytes());
    section.extend(content);
    let mut bytes = component.to_vec();
    bytes.extend([0, short(section.len())]);
    bytes.extend(section);
    bytes
}

/// A length that LEB128 writes in one byte.
fn short(length: usize) -> u8 {
    assert!(length < 0x80, "a short section is enough");
    u8::try_from(length).unwrap_or_default()
}
