//! The choice of the compiler for guests, from the facts that `probe` gathers.

use std::path::{Path, PathBuf};

use crate::target::TARGET;

/// Facts about a rustc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rustc {
    /// Path of the compiler itself, not of a proxy.
    pub(crate) program: PathBuf,
    /// Directory of its libraries.
    pub(crate) sysroot: PathBuf,
    /// True if its standard library for the target is installed.
    pub(crate) has_target: bool,
    /// True if the source of its standard library is installed.
    pub(crate) has_source: bool,
    /// Linker that is part of it.
    pub(crate) linker: Option<PathBuf>,
    /// True if this workspace supports its version.
    pub(crate) recent: bool,
}

/// Compiler for guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compiler {
    /// Rustc.
    pub(crate) rustc: Rustc,
    /// Source of the standard library.
    pub(crate) library: Library,
    /// Linker, if it is not the default of rustc.
    pub(crate) linker: Option<PathBuf>,
}

/// Source of a guest's standard library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// The installed library.
    Installed,
    /// Source code of the standard library, which cargo compiles once for each compiler.
    Source,
}

impl Rustc {
    fn compiler(&self, library: Library, spare_linker: Option<&Path>) -> Compiler {
        let linker = if self.linker.is_some() {
            None
        } else {
            spare_linker.map(Path::to_path_buf)
        };
        Compiler {
            rustc: self.clone(),
            library,
            linker,
        }
    }

    fn links(&self, spare_linker: Option<&Path>) -> bool {
        self.linker.is_some() || spare_linker.is_some()
    }

    /// Returns the reason why it was not chosen.
    fn lack(&self) -> &'static str {
        if !self.recent {
            concat!("is older than ", env!("CARGO_PKG_RUST_VERSION"))
        } else if self.has_source {
            "has its library's source but no linker, neither rust-lld nor wasm-ld"
        } else {
            "has neither the target nor its library's source"
        }
    }
}

/// Returns the best of `rustcs`, the first of which is the active one.
///
/// An installed library is preferred to its source, and an earlier compiler to a later one.
/// `spare_linker` is used for compilers without a linker.
pub(crate) fn choose(rustcs: &[Rustc], spare_linker: Option<&Path>) -> Option<Compiler> {
    let able = || rustcs.iter().filter(|rustc| rustc.recent);
    // A distribution's compiler with an installed target has a linker that `linker` does not find.
    let installed = able()
        .find(|rustc| rustc.has_target)
        .map(|rustc| rustc.compiler(Library::Installed, spare_linker));
    installed.or_else(|| {
        let source = able().find(|rustc| rustc.has_source && rustc.links(spare_linker));
        source.map(|rustc| rustc.compiler(Library::Source, spare_linker))
    })
}

/// Describes why none of `rustcs` was chosen.
pub(crate) fn describe_lacks(rustcs: &[Rustc]) -> String {
    let lacks: Vec<_> = rustcs
        .iter()
        .map(|rustc| format!("{} {}", rustc.program.display(), rustc.lack()))
        .collect();
    if lacks.is_empty() {
        format!("no rustc knows {TARGET}")
    } else {
        lacks.join("; ")
    }
}

#[cfg(test)]
mod tests;
