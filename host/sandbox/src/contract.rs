//! Whether a component is of the world, told before it runs.
//!
//! Wasmtime refuses a component that does not fit, but names neither the function that differs nor what
//! would be right. This file compares names and signatures first.

mod mismatch;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

pub use self::mismatch::Mismatch;
use super::signature;
use edge_cache_core::text;

macro_rules! capacity {
    () => {
        "record{cpu-cores: u32, ram-mib: u64, disk-mib: u64, geo: option<string>}"
    };
}
macro_rules! node {
    () => {
        concat!(
            "record{node-id: u64, capacity: ",
            capacity!(),
            ", enabled-at: record{seconds: u64, nanoseconds: u32}}"
        )
    };
}
macro_rules! stats {
    () => {
        "record{hits: u64, misses: u64}"
    };
}
macro_rules! error {
    () => {
        "variant{gossip(string), node-not-found(u64), invalid-capacity(string)}"
    };
}
macro_rules! entry {
    () => {
        concat!("record{node: ", node!(), ", stats: ", stats!(), "}")
    };
}
macro_rules! labels {
    () => {
        "list<record{key: string, value: string}>"
    };
}

/// Every function of the world that a component exports: interface, name, signature with all types
/// written out. A test compares it with the reference component.
const EXPORTS: &[(&str, &str, &str)] = &[
    (
        "registry",
        "enable",
        concat!(
            "func(node-id: u64, capacity: ",
            capacity!(),
            ") -> result<",
            node!(),
            ", ",
            error!(),
            ">"
        ),
    ),
    (
        "registry",
        "disable",
        concat!("func(node-id: u64) -> result<_, ", error!(), ">"),
    ),
    ("registry", "is-enabled", "func(node-id: u64) -> bool"),
    (
        "registry",
        "list-eligible",
        concat!("func() -> list<", node!(), ">"),
    ),
    (
        "registry",
        "stats",
        concat!("func(node-id: u64) -> ", stats!()),
    ),
    (
        "registry",
        "add-stats",
        concat!(
            "func(node-id: u64, delta: ",
            stats!(),
            ") -> result<",
            stats!(),
            ", ",
            error!(),
            ">"
        ),
    ),
    (
        "state",
        "load",
        concat!("func(entries: list<", entry!(), ">) -> result<_, string>"),
    ),
    (
        "state",
        "apply",
        concat!(
            "func(changes: list<variant{put(",
            entry!(),
            "), remove(u64)}>) -> result<_, string>"
        ),
    ),
    (
        "placement",
        "assess",
        concat!(
            "func(peer: record{node-id: u64, labels: ",
            labels!(),
            "}) -> option<record{weight: u32, geo: option<string>}>"
        ),
    ),
];

/// The one interface of ours that a component imports, and its one function.
const LABELS: &str = "zlayer:edge-cache/gossip-labels";
const PUBLISH: (&str, &str) = (
    "publish",
    concat!(
        "func(node: u64, labels: ",
        labels!(),
        ") -> result<_, variant{denied(string), too-large(u32), unavailable(string)}>"
    ),
);

const PACKAGE: &str = "zlayer:edge-cache";
/// Interfaces are matched by this track: within 0.1.x a component of another patch version fits.
const TRACK: (u64, u64) = (0, 1);
const VERSION: &str = "0.1.0";
/// The world of the contract.
pub(super) const WORLD: &str = "zlayer:edge-cache/edge-cache-plugin@0.1.0";

/// The interfaces that the host has for a component, without their versions. WASI's are of 0.2.
pub(super) const PROVIDED: &[&str] = &[
    "zlayer:edge-cache/gossip-labels",
    "wasi:config/store",
    "wasi:logging/logging",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Something that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The interface, with its version.
    pub name: String,
    /// Whether it holds types only: nothing to call, so nothing to grant.
    pub is_types_only: bool,
    /// Why the component does not get it, if it does not.
    pub mismatch: Option<Mismatch>,
}

/// A function that every component of the world exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The interface with its version, and the function.
    pub function: String,
    /// What it must be.
    pub expected: &'static str,
    /// What is wrong with it, if anything.
    pub mismatch: Option<Mismatch>,
}

/// Every mismatch of a component, imports first.
pub(super) fn compare(
    component: &Component,
    engine: &Engine,
    granted: &dyn Fn(&str) -> bool,
) -> Vec<Mismatch> {
    let imports = imports(component, engine, granted);
    let exports = exports(component, engine);
    let mut mismatches: Vec<_> = imports
        .into_iter()
        .map(|import| import.mismatch)
        .chain(exports.into_iter().map(|export| export.mismatch))
        .flatten()
        .collect();
    // A missing interface is found once for each of its functions.
    mismatches.dedup();
    mismatches
}

/// All that a component imports.
pub(super) fn imports(
    component: &Component,
    engine: &Engine,
    granted: &dyn Fn(&str) -> bool,
) -> Vec<Import> {
    let ty = component.component_type();
    ty.imports(engine)
        .map(|(name, item)| Import {
            name: text::clean(name, text::ERROR_BYTES_MAX),
            is_types_only: is_types_only(&item.ty, engine),
            mismatch: compare_import(name, &item.ty, engine, granted),
        })
        .collect()
}

/// All that a component must export.
pub(super) fn exports(component: &Component, engine: &Engine) -> Vec<Export> {
    EXPORTS
        .iter()
        .map(|&export| {
            let (interface, name, expected) = export;
            Export {
                function: format!("{PACKAGE}/{interface}@{VERSION}#{name}"),
                expected,
                mismatch: compare_export(component, engine, export),
            }
        })
        .collect()
}

fn compare_import(
    name: &str,
    item: &ComponentItem,
    engine: &Engine,
    granted: &dyn Fn(&str) -> bool,
) -> Option<Mismatch> {
    let bare = without_version(name);
    let full_name = || text::clean(name, text::ERROR_BYTES_MAX);
    if is_types_only(item, engine) {
        None
    } else if !PROVIDED.contains(&bare) {
        Some(Mismatch::UnknownImport(full_name()))
    } else if !is_served(name) {
        Some(Mismatch::ImportVersion {
            name: full_name(),
            served: served_version(bare),
        })
    } else if !granted(bare) {
        Some(Mismatch::NotGranted(full_name()))
    } else if bare == LABELS {
        compare_labels(item, engine, full_name())
    } else {
        // Wasmtime compares WASI's own, which toolchains write and nobody by hand.
        None
    }
}

/// The first function of `gossip-labels` that is not as the host has it.
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
        if name != PUBLISH.0 {
            return Some(Mismatch::UnknownImport(function));
        }
        let found = signature::of(&func);
        (found != PUBLISH.1).then(|| Mismatch::ImportDiffers {
            function,
            expected: PUBLISH.1,
            found: text::clean(&found, text::ERROR_BYTES_MAX),
        })
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
    (found != expected).then(|| Mismatch::ExportDiffers {
        function,
        expected,
        found: text::clean(&found, text::ERROR_BYTES_MAX),
    })
}

/// An exported interface of ours, in a version that fits.
fn exported_interface(
    component: &Component,
    engine: &Engine,
    interface: &str,
) -> Option<ComponentInstance> {
    let ty = component.component_type();
    ty.exports(engine).find_map(|(name, item)| match item.ty {
        ComponentItem::ComponentInstance(instance) if is_ours(name, interface) => Some(instance),
        _ => None,
    })
}

/// The full name of an exported interface of ours whose version does not fit.
fn other_version(component: &Component, engine: &Engine, interface: &str) -> Option<String> {
    let ty = component.component_type();
    ty.exports(engine)
        .map(|(name, _)| name)
        .find(|name| without_version(name) == format!("{PACKAGE}/{interface}"))
        .map(|name| text::clean(name, text::ERROR_BYTES_MAX))
}

/// An instance of types only holds nothing to call, so nothing to grant.
fn is_types_only(item: &ComponentItem, engine: &Engine) -> bool {
    match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .all(|(_, item)| matches!(item.ty, ComponentItem::Type(_))),
        ComponentItem::Type(_) => true,
        _ => false,
    }
}

fn is_ours(name: &str, interface: &str) -> bool {
    without_version(name).strip_prefix(PACKAGE) == Some(&format!("/{interface}"))
        && track(name) == Some(TRACK)
}

/// Whether the version of an import that the host has by name is one that it has.
fn is_served(name: &str) -> bool {
    let bare = without_version(name);
    match bare.split_once(':') {
        Some(("zlayer", _)) => track(name) == Some(TRACK),
        _ if bare == "wasi:config/store" => name.ends_with("@0.2.0-rc.1"),
        _ if bare == "wasi:logging/logging" => name == bare,
        _ => track(name) == Some((0, 2)),
    }
}

/// The versions that [`is_served`] takes, in words.
fn served_version(bare: &str) -> &'static str {
    match bare.split_once(':') {
        Some(("zlayer", _)) => "in version 0.1",
        _ if bare == "wasi:config/store" => "in version 0.2.0-rc.1",
        _ if bare == "wasi:logging/logging" => "without a version",
        _ => "in version 0.2",
    }
}

fn without_version(name: &str) -> &str {
    name.split_once('@').map_or(name, |(bare, _)| bare)
}

/// The major and minor number of a version; none for a pre-release, which matches nothing but itself.
fn track(name: &str) -> Option<(u64, u64)> {
    let (_, version) = name.split_once('@')?;
    if version.contains('-') {
        return None;
    }
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
