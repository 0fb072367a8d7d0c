//! Comparison of a component with the world, before it runs.
//!
//! Wasmtime refuses a component that does not fit, but names neither the function that differs nor the
//! expected signature. So names and signatures are compared here first.

mod difference;
mod mismatch;
mod names;

use edge_cache_core::text;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

pub use self::difference::Difference;
pub use self::mismatch::Mismatch;
pub use self::names::ImportGrants;
use self::names::{PACKAGE, PROVIDED, VERSION, is_own, served, without_version};
use crate::signature;

pub(crate) use self::names::WORLD;

/// Functions of the world, one a line: interface, name, and signature as [`signature`](crate::signature) writes it.
///
/// A test compares the exports with the reference plugin.
const FUNCTIONS: &str = include_str!("contract/signatures.txt");
/// Interface of [`FUNCTIONS`] that the host provides; a plugin exports the others.
const LABELS: &str = "gossip-labels";

/// An import of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Interface with its version.
    pub name: String,
    /// True for an interface without functions, which needs no grant.
    pub is_types_only: bool,
    /// Reason why the host does not provide it, if so.
    pub mismatch: Option<Mismatch>,
}

/// A function that every plugin must export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Interface with its version, and the function.
    pub function: String,
    /// Expected signature.
    pub expected: &'static str,
    /// Difference from the contract, if any.
    pub mismatch: Option<Mismatch>,
}

/// Imports and exports of a component, compared with the world.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) imports: Vec<Import>,
    /// Functions that every plugin must export.
    pub(crate) exports: Vec<Export>,
}

impl Comparison {
    pub(crate) fn of(component: &Component, engine: &Engine, granted: &ImportGrants) -> Self {
        let ty = component.component_type();
        let imports = ty.imports(engine).map(|(name, item)| Import {
            name: text::clean(name, text::ERROR_BYTES_MAX),
            is_types_only: is_types_only(&item.ty, engine),
            mismatch: compare_import(name, &item.ty, engine, granted),
        });
        let functions = functions().filter(|(interface, ..)| *interface != LABELS);
        let exports = functions.map(|function| {
            let (interface, name, expected) = function;
            Export {
                function: format!("{PACKAGE}/{interface}@{VERSION}#{name}"),
                expected,
                mismatch: compare_export(component, engine, function),
            }
        });
        Self {
            imports: imports.collect(),
            exports: exports.collect(),
        }
    }

    /// Returns every mismatch, imports first.
    pub(crate) fn mismatches(&self) -> Vec<Mismatch> {
        let imports = self.imports.iter().map(|import| &import.mismatch);
        let exports = self.exports.iter().map(|export| &export.mismatch);
        let mut mismatches: Vec<_> = imports.chain(exports).flatten().cloned().collect();
        // A missing interface is reported once, not for each of its functions.
        mismatches.dedup();
        mismatches
    }
}

/// Returns interface, name and signature of the functions of the world.
fn functions() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    FUNCTIONS.lines().filter_map(|line| {
        let (function, signature) = line.split_once(": ")?;
        let (interface, name) = function.split_once('#')?;
        Some((interface, name, signature))
    })
}

fn compare_import(
    name: &str,
    item: &ComponentItem,
    engine: &Engine,
    granted: &ImportGrants,
) -> Option<Mismatch> {
    let bare = without_version(name);
    let full_name = || text::clean(name, text::ERROR_BYTES_MAX);
    let (is_served, served) = served(name);
    if is_types_only(item, engine) {
        None
    } else if !PROVIDED.contains(&bare) {
        Some(Mismatch::UnknownImport(full_name()))
    } else if !is_served {
        Some(Mismatch::ImportVersion {
            name: full_name(),
            served,
        })
    } else if !granted.allow(bare) {
        Some(Mismatch::NotGranted(full_name()))
    } else if is_own(name, LABELS) {
        compare_labels(item, engine, full_name())
    } else {
        // Wasmtime compares the interfaces of WASI.
        None
    }
}

/// Returns the first function of `gossip-labels` that differs from the host's.
fn compare_labels(item: &ComponentItem, engine: &Engine, interface: String) -> Option<Mismatch> {
    let ComponentItem::ComponentInstance(instance) = item else {
        return Some(Mismatch::UnknownImport(interface));
    };
    instance.exports(engine).find_map(|(name, item)| {
        let ComponentItem::ComponentFunc(func) = item.ty else {
            return None;
        };
        let name = text::clean(name, text::ERROR_BYTES_MAX);
        let function = format!("{interface}#{name}");
        let known =
            functions().find(|(interface, known, _)| *interface == LABELS && *known == name);
        let Some((.., expected)) = known else {
            return Some(Mismatch::UnknownImport(function));
        };
        differs("import", function, expected, &signature::of(&func))
    })
}

fn compare_export(
    component: &Component,
    engine: &Engine,
    (interface, name, expected): (&str, &str, &'static str),
) -> Option<Mismatch> {
    let full_name = format!("{PACKAGE}/{interface}@{VERSION}");
    let Some(instance) = exported_interface(component, engine, interface) else {
        return Some(Mismatch::MissingInterface {
            interface: full_name,
            other: other_version(component, engine, interface),
        });
    };
    let function = format!("{full_name}#{name}");
    let found = match instance.get_export(engine, name).map(|item| item.ty) {
        Some(ComponentItem::ComponentFunc(func)) => signature::of(&func),
        _ => return Some(Mismatch::MissingExport { function, expected }),
    };
    differs("export", function, expected, &found)
}

fn differs(
    direction: &'static str,
    function: String,
    expected: &'static str,
    found: &str,
) -> Option<Mismatch> {
    (found != expected).then(|| Mismatch::Differs {
        direction,
        function,
        expected,
        found: text::clean(found, text::ERROR_BYTES_MAX),
    })
}

/// Returns an exported interface of this project, in a version that fits.
fn exported_interface(
    component: &Component,
    engine: &Engine,
    interface: &str,
) -> Option<ComponentInstance> {
    let ty = component.component_type();
    ty.exports(engine).find_map(|(name, item)| match item.ty {
        ComponentItem::ComponentInstance(instance) if is_own(name, interface) => Some(instance),
        _ => None,
    })
}

/// Returns the full name of an exported interface of this project whose version does not fit.
fn other_version(component: &Component, engine: &Engine, interface: &str) -> Option<String> {
    let ty = component.component_type();
    ty.exports(engine)
        .map(|(name, _)| name)
        .find(|name| without_version(name) == format!("{PACKAGE}/{interface}"))
        .map(|name| text::clean(name, text::ERROR_BYTES_MAX))
}

/// Returns whether an import has no functions, so that it needs no grant.
fn is_types_only(item: &ComponentItem, engine: &Engine) -> bool {
    match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .all(|(_, item)| matches!(item.ty, ComponentItem::Type(_))),
        ComponentItem::Type(_) => true,
        _ => false,
    }
}
