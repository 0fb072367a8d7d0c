//! Which compiler builds the guests: a decision over facts that `probe` has gathered, so that it
//! can be tested without the machines it is about.

use std::path::{Path, PathBuf};

use crate::TARGET;

/// What is known of one rustc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rustc {
    /// The compiler itself, not a proxy that chooses one.
    pub(crate) program: PathBuf,
    /// Where its libraries are.
    pub(crate) sysroot: PathBuf,
    /// Its standard library for the target is installed.
    pub(crate) has_target: bool,
    /// The source of its standard library is installed.
    pub(crate) has_source: bool,
    /// The linker that came with it.
    pub(crate) linker: Option<PathBuf>,
    /// It is no older than this workspace allows.
    pub(crate) recent: bool,
}

/// How guests are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compiler {
    /// The rustc that does it.
    pub(crate) rustc: Rustc,
    /// Where the standard library comes from.
    pub(crate) library: Library,
    /// The linker, where it is not the one that rustc would take by itself.
    pub(crate) linker: Option<PathBuf>,
}

/// Where a guest's standard library comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// It is installed.
    Installed,
    /// Cargo compiles it from its source, once for each compiler.
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

    /// What keeps it from being chosen.
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

/// The best of `rustcs`, of which the first is the active one. An installed library comes before
/// one to be compiled; among equals the earlier wins. `spare_linker` serves those that have none of
/// their own.
pub(crate) fn choose(rustcs: &[Rustc], spare_linker: Option<&Path>) -> Option<Compiler> {
    let able = || rustcs.iter().filter(|rustc| rustc.recent);
    // A distribution's compiler with the target installed knows a linker of its own, where `linker`
    // does not look.
    let installed = able()
        .find(|rustc| rustc.has_target)
        .map(|rustc| rustc.compiler(Library::Installed, spare_linker));
    installed.or_else(|| {
        let source = able().find(|rustc| rustc.has_source && rustc.links(spare_linker));
        source.map(|rustc| rustc.compiler(Library::Source, spare_linker))
    })
}

/// Why none of `rustcs` was chosen.
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
