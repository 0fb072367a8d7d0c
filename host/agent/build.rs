//! Embeds the reference plugin in the binary, if it has been built.
//!
//! `cargo plugin` builds it, at the path in `EDGE_CACHE_BUILT_PLUGIN`. The script watches the folder, which always
//! exists, so that a plugin that appears later is found.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(embedded_plugin)");
    println!("cargo::rerun-if-env-changed=EDGE_CACHE_BUILT_PLUGIN");
    let Some(plugin) = env::var_os("EDGE_CACHE_BUILT_PLUGIN") else {
        return;
    };
    let plugin = Path::new(&plugin);
    if let Some(folder) = plugin.parent().filter(|folder| folder.is_dir()) {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    if plugin.is_file() {
        println!("cargo::rustc-cfg=embedded_plugin");
        println!("cargo::rustc-env=EDGE_CACHE_EMBEDDED={}", plugin.display());
    }
}
