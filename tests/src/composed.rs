//! A plugin of two components: the reference, and one that stands between it and the host's `gossip-labels`.
//!
//! Each component has its own memory, so wasmtime makes adapters that copy the labels from one to the other. The parts
//! are put together as binary, since a tool for that would bring its own WebAssembly crates.

use anyhow::{Context, Result};
use wasm_encoder::{
    Alias, ComponentAliasSection, ComponentExportKind, ComponentExportSection,
    ComponentInstanceSection, ComponentSection, ComponentSectionId, RawSection,
};
use wasmparser::{Parser, Payload};

use crate::dummy::component_including;

const LABELS: &str = "zlayer:edge-cache/gossip-labels@0.1.0";
/// The world of the component in between.
const WORLD: &str = "
    package tests:relay;
    world relay {
        import zlayer:edge-cache/gossip-labels@0.1.0;
        export zlayer:edge-cache/gossip-labels@0.1.0;
    }
";
/// Instructions of the component in between that pass labels on.
pub const RELAYS: &str = "
    (call $publish (local.get 0) (local.get 1) (local.get 2) (i32.const 16))
    (global.set $next (i32.const 1024))";
/// Misdeed of a component in between.
pub const THROWS: &str = "(throw $exception)";

/// Makes a plugin of a plugin and a component in between that does this when labels are published.
///
/// # Errors
///
/// The plugin is not valid.
pub fn composed(plugin: &[u8], relay: &str) -> Result<Vec<u8>> {
    let relay = component_including(WORLD, &core(relay))?;
    let (imports_end, imports) = imports(plugin)?;
    let (_, relay_imports) = self::imports(&relay)?;
    // The imports of the plugin are those of the whole.
    let mut file = plugin.get(..imports_end).context("no imports")?.to_vec();
    for component in [plugin, &relay] {
        let id = ComponentSectionId::Component.into();
        let section = RawSection {
            id,
            data: component,
        };
        section.append_to_component(&mut file);
    }
    let count = u32::try_from(imports.len())?;
    // Instances: the imports, the relay, its labels, and the plugin.
    let (relay, relay_labels, inner) = (count, count + 1, count + 2);
    let argument = |name: &String, labels: Option<u32>| {
        let import = imports.iter().position(|import| import == name);
        let import = u32::try_from(import.unwrap_or_default()).unwrap_or_default();
        let index = labels.filter(|_| name == LABELS).unwrap_or(import);
        (name.clone(), ComponentExportKind::Instance, index)
    };
    let arguments = relay_imports.iter().map(|name| argument(name, None));
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(1, arguments.collect::<Vec<_>>());
    instances.append_to_component(&mut file);
    alias(relay, LABELS).append_to_component(&mut file);
    let arguments = imports
        .iter()
        .map(|name| argument(name, Some(relay_labels)));
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(0, arguments.collect::<Vec<_>>());
    instances.append_to_component(&mut file);
    // An alias and an export add one instance each.
    for (nth, name) in (0..).zip(["registry", "state", "placement"]) {
        let name = format!("zlayer:edge-cache/{name}@0.1.0");
        alias(inner, &name).append_to_component(&mut file);
        let mut exports = ComponentExportSection::new();
        let index = inner + 1 + 2 * nth;
        exports.export(name.as_str(), ComponentExportKind::Instance, index, None);
        exports.append_to_component(&mut file);
    }
    Ok(file)
}

fn alias(instance: u32, name: &str) -> ComponentAliasSection {
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(Alias::InstanceExport {
        instance,
        kind: ComponentExportKind::Instance,
        name,
    });
    aliases
}

/// The core module of the component in between. It forgets its copies with the next call.
fn core(relay: &str) -> String {
    format!(
        r#"(module
            (import "{LABELS}" "publish" (func $publish (param i64 i32 i32 i32)))
            (memory (export "memory") 1)
            (global $next (mut i32) (i32.const 1024))
            (tag $exception)
            (func (export "{LABELS}#publish") (param i64 i32 i32) (result i32)
                {relay}
                (i32.const 16))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and
                    (i32.sub (i32.add (global.get $next) (local.get 2)) (i32.const 1))
                    (i32.sub (i32.const 0) (local.get 2))))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (block $fits
                    (loop $grow
                        (br_if $fits (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
                        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
                        (br $grow)))
                (local.get $at)))"#
    )
}

/// Returns the end of the last section of imports of a component, and the names of its imports.
fn imports(component: &[u8]) -> Result<(usize, Vec<String>)> {
    let (mut end, mut names) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ComponentImportSection(section) => {
                end = section.range().end;
                for import in section {
                    names.push(import?.name.name.to_string());
                }
            }
            // Imports of inner components do not count.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => break,
            _ => {}
        }
    }
    Ok((end, names))
}
