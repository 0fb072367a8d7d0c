//! The composition of a policy with the composable form of the reference plugin, in memory.

use std::collections::HashSet;
use std::fmt::Debug;

use thiserror::Error;
use wac_graph::types::{InterfaceId, ItemKind, Package, SubtypeChecker, Types};
use wac_graph::{CompositionGraph, EncodeOptions, PackageId};
use wasm_metadata::{AddMetadata, AddMetadataField, Payload};

use edge_cache_core::text;
use edge_cache_host::sandbox::FileKind;

/// The interface between the two components.
pub(super) const POLICY: &str = "zlayer:edge-cache-policy/policy@0.1.0";

/// Reason why a policy and the reference plugin are not composed. No file has changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompositionError {
    /// The file is of another kind.
    #[error("the policy is {0}; it must be a WebAssembly component")]
    NotComponent(FileKind),
    /// The component is invalid.
    #[error("the policy is not a valid component: {0}")]
    Invalid(String),
    /// The component exports no policy; the text lists its exports.
    #[error("the component does not export `{POLICY}`; it exports {0}")]
    NoPolicy(String),
    /// A function of the interface is missing.
    #[error(
        "the policy does not export the function `{function}` of `{POLICY}`; it exports {found}"
    )]
    MissingFunction {
        /// The function.
        function: String,
        /// The functions that are there.
        found: String,
    },
    /// A function has another signature.
    #[error(
        "the policy's function `{function}` has another signature than `{POLICY}` asks: {difference}"
    )]
    Signature {
        /// The function.
        function: String,
        /// The difference.
        difference: String,
    },
    /// The composer refuses the two components.
    #[error("cannot compose the policy: {0}")]
    Composer(String),
}

/// Composes a policy with the composable form, and returns a plugin with the exports of that form.
///
/// The imports of both, without the policy, are those of the plugin. Name, version, licence and description are those
/// of the policy.
///
/// # Errors
///
/// See [`CompositionError`].
pub(super) fn compose(composable: &[u8], policy: &[u8]) -> Result<Vec<u8>, CompositionError> {
    match FileKind::of(policy) {
        FileKind::Component => {}
        kind => return Err(CompositionError::NotComponent(kind)),
    }
    let mut graph = CompositionGraph::new();
    let reference = register(&mut graph, "reference", composable)
        .map_err(|error| CompositionError::Composer(line(&error)))?;
    let package = register(&mut graph, "policy", policy)
        .map_err(|error| CompositionError::Invalid(line(&error)))?;
    compare(&graph, reference, package)?;
    connect(&mut graph, reference, package)
        .and_then(|plugin| described(&plugin, policy))
        .map_err(|error| CompositionError::Composer(line(&error)))
}

fn register(
    graph: &mut CompositionGraph,
    name: &str,
    bytes: &[u8],
) -> Result<PackageId, anyhow::Error> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut())?;
    Ok(graph.register_package(package)?)
}

/// Compares each function of the interface, since the composer would name neither all functions nor the missing one.
fn compare(
    graph: &CompositionGraph,
    reference: PackageId,
    policy: PackageId,
) -> Result<(), CompositionError> {
    let types = graph.types();
    let exported = &types[graph[policy].ty()].exports;
    let Some(ItemKind::Instance(found)) = exported.get(POLICY).copied() else {
        return Err(CompositionError::NoPolicy(names(
            exported.keys().map(String::as_str),
        )));
    };
    let Some(ItemKind::Instance(expected)) =
        types[graph[reference].ty()].imports.get(POLICY).copied()
    else {
        let text = format!("the composable plugin does not import `{POLICY}`");
        return Err(CompositionError::Composer(text));
    };
    for (function, expected) in functions(types, expected) {
        let mut exported = functions(types, found);
        let Some((_, kind)) = exported.find(|(name, _)| *name == function) else {
            return Err(CompositionError::MissingFunction {
                function: function.to_string(),
                found: names(functions(types, found).map(|(name, _)| name)),
            });
        };
        let mut cache = HashSet::new();
        let mut checker = SubtypeChecker::new(&mut cache);
        checker
            .is_subtype(kind, types, expected, types)
            .map_err(|error| CompositionError::Signature {
                function: function.to_string(),
                difference: line(&error),
            })?;
    }
    Ok(())
}

/// Gives the policy to the reference plugin, and encodes both as one component.
fn connect(
    graph: &mut CompositionGraph,
    reference: PackageId,
    policy: PackageId,
) -> Result<Vec<u8>, anyhow::Error> {
    let exports: Vec<String> = {
        let world = &graph.types()[graph[reference].ty()];
        world.exports.keys().cloned().collect()
    };
    let reference = graph.instantiate(reference);
    let policy = graph.instantiate(policy);
    let policy = graph.alias_instance_export(policy, POLICY)?;
    graph.set_instantiation_argument(reference, POLICY, policy)?;
    for name in exports {
        let export = graph.alias_instance_export(reference, &name)?;
        graph.export(export, name)?;
    }
    Ok(graph.encode(EncodeOptions::default())?)
}

/// Returns a plugin with the texts in which a policy describes itself.
fn described(plugin: &[u8], policy: &[u8]) -> Result<Vec<u8>, anyhow::Error> {
    let payload = Payload::from_binary(policy)?;
    let found = payload.metadata();
    let mut added = AddMetadata::default();
    added.name = set(found.name.as_ref());
    added.version = set(found.version.as_ref());
    added.licenses = set(found.licenses.as_ref());
    added.description = set(found.description.as_ref());
    added.to_wasm(plugin)
}

fn set<T: Clone + Debug>(text: Option<&T>) -> AddMetadataField<T> {
    text.cloned()
        .map_or(AddMetadataField::Keep, AddMetadataField::Set)
}

/// Returns the functions of an interface, without its types.
fn functions(types: &Types, interface: InterfaceId) -> impl Iterator<Item = (&str, ItemKind)> {
    let exports = types[interface].exports.iter();
    exports
        .filter(|(_, kind)| matches!(kind, ItemKind::Func(_)))
        .map(|(name, kind)| (name.as_str(), *kind))
}

/// Lists names from a file for an error.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match names.is_empty() {
        true => "none".to_string(),
        false => text::clean(&names.join(", "), text::ERROR_BYTES_MAX),
    }
}

/// Returns an error of the composer with its causes in one line. They contain names from files.
fn line(error: &anyhow::Error) -> String {
    text::clean(&format!("{error:#}"), text::ERROR_BYTES_MAX)
}
