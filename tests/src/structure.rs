//! The import graph between the source files of one crate, and the circles in it.
//!
//! Syntax alone is read: `use` declarations, and paths in items and in macro calls. A path counts for the file
//! that defines what it names, so a re-export is followed to its source. A file that only re-exports an item does
//! not import it. Method calls are not seen. Items under `#[cfg(test)]` are left out.

mod graph;
mod module;
mod names;
mod tokens;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use graph::{Circle, Import};

use graph::Graph;
use names::Names;

/// Returns the circles between the files of the crate in `folder`, none of which shares a file with another.
pub fn circles(folder: &Path) -> Result<Vec<Circle>> {
    let mut circles = Vec::new();
    for root in roots(folder) {
        let modules = module::load(&root).with_context(|| root.display().to_string())?;
        let names = Names::new(&modules);
        let mut graph = Graph::default();
        for (index, module) in modules.iter().enumerate() {
            for path in &module.paths {
                let file = names.file(index, path);
                if let Some(file) = file.filter(|file| *file != module.file) {
                    graph.add(Import::new(&module.file, path, &file));
                }
            }
        }
        circles.extend(graph.circles());
    }
    Ok(circles)
}

/// Returns the files that a crate begins with: its library and its binaries.
fn roots(folder: &Path) -> Vec<PathBuf> {
    let source = folder.join("src");
    let mut roots: Vec<_> = ["lib.rs", "main.rs"]
        .map(|name| source.join(name))
        .into_iter()
        .filter(|file| file.is_file())
        .collect();
    let binaries = std::fs::read_dir(source.join("bin")).into_iter().flatten();
    roots.extend(binaries.flatten().map(|entry| entry.path()));
    roots
}
