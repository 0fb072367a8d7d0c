//! Looks for the reference component, so that the agent can carry it.
//!
//! It builds nothing: `cargo plugin` does, and puts the file where `EDGE_CACHE_BUILT_PLUGIN` says. What is
//! watched is the folder, which is always there, so a component that appears later is found.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(embedded_plugin)");
    println!("cargo::rerun-if-env-changed=EDGE_CACHE_BUILT_PLUGIN");
    let Some(component) = env::var_os("EDGE_CACHE_BUILT_PLUGIN") else {
        return;
    };
    let component = Path::new(&component);
    if let Some(folder) = component.parent().filter(|folder| folder.is_dir()) {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    if component.is_file() {
        println!("cargo::rustc-cfg=embedded_plugin");
        println!(
            "cargo::rustc-env=EDGE_CACHE_EMBEDDED={}",
            component.display()
        );
    }
}
