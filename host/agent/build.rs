//! Embeds the reference plugin in the binary, if it has been built.
//!
//! `cargo plugin` builds it, at the path in `REFERENCE_PLUGIN_FILE`. The script watches the folder, which always
//! exists, so that a plugin that appears later is found.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(embedded_plugin)");
    println!("cargo::rerun-if-env-changed=REFERENCE_PLUGIN_FILE");
    let Some(plugin) = env::var_os("REFERENCE_PLUGIN_FILE") else {
        return;
    };
    let plugin = Path::new(&plugin);
    if let Some(folder) = plugin.parent().filter(|folder| folder.is_dir()) {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    if plugin.is_file() {
        println!("cargo::rustc-cfg=embedded_plugin");
        println!("cargo::rustc-env=EMBEDDED_PLUGIN_FILE={}", plugin.display());
    }
}
