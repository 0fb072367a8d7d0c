//! Finds the components in the folder `out`, which `cargo plugin` builds in a checkout and a package contains.
//!
//! The folder always exists and is watched, so a component that appears later is found.

use std::env;
use std::path::Path;

/// Name of the flag by which the sources know that a component is there, of its path, and of its file.
const COMPONENTS: [(&str, &str, &str); 2] = [
    ("has_plugin", "PLUGIN_FILE", "edge-cache-plugin.wasm"),
    (
        "has_composable",
        "COMPOSABLE_FILE",
        "edge-cache-composable.wasm",
    ),
];

fn main() {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let folder = Path::new(&package).join("out");
    println!("cargo::rerun-if-changed={}", folder.display());
    for (flag, variable, name) in COMPONENTS {
        println!("cargo::rustc-check-cfg=cfg({flag})");
        let file = folder.join(name);
        if file.is_file() {
            println!("cargo::rustc-cfg={flag}");
            println!("cargo::rustc-env={variable}={}", file.display());
        }
    }
}
