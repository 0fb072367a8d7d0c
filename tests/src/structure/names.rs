//! The file that a path leads to.

use std::path::PathBuf;

use super::module::Module;
use super::tokens::Named;

/// The longest chain of re-exports that is followed.
const DEPTH_MAX: usize = 32;

/// The names of all modules of a crate.
pub(super) struct Names<'a> {
    modules: &'a [Module],
}

/// Meaning of a name.
enum Target {
    Module(usize),
    Item(PathBuf),
}

impl<'a> Names<'a> {
    pub(super) fn new(modules: &'a [Module]) -> Self {
        Self { modules }
    }

    /// Returns the file that defines what a path in a module names; none for other crates and for local names.
    pub(super) fn file(&self, module: usize, named: &Named) -> Option<PathBuf> {
        match self.resolve(module, &named.path, 0)? {
            Target::Module(_) => None,
            Target::Item(file) => Some(file),
        }
    }

    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<Target> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut here = from;
        for segment in path {
            let target = match segment.as_str() {
                "crate" => Target::Module(0),
                "self" => Target::Module(here),
                "super" => Target::Module(self.modules.get(here)?.parent?),
                name => self.look_up(here, name, depth)?,
            };
            match target {
                Target::Module(module) => here = module,
                Target::Item(file) => return Some(Target::Item(file)),
            }
        }
        Some(Target::Module(here))
    }

    fn look_up(&self, module: usize, name: &str, depth: usize) -> Option<Target> {
        let here = self.modules.get(module)?;
        if let Some(child) = here.children.get(name) {
            return Some(Target::Module(*child));
        }
        if here.items.contains(name) {
            return Some(Target::Item(here.file.clone()));
        }
        if let Some(path) = here.uses.get(name) {
            // `use serde;` names another crate, not itself.
            return match path.as_slice() {
                [only] if only == name => None,
                path => self.resolve(module, path, depth + 1),
            };
        }
        here.globs.iter().find_map(|path| {
            match self.resolve(module, path, depth + 1)? {
                Target::Module(source) if source != module => self.look_up(source, name, depth + 1),
                // The variants of an enum.
                _ => None,
            }
        })
    }
}
