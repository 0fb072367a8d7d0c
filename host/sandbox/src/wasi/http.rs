//! `wasi:http` that refuses everything.
//!
//! Toolchains such as componentize-js import it whether the plugin uses it or not. Each function answers with the refusal
//! that its type has, or traps.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type, Variant};
use wasmtime::component::{Component, Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Result, StoreContextMut, bail};

/// Start of the names of the interfaces.
const PACKAGE: &str = "wasi:http/";
/// Resources that the interfaces take from `wasi:io`.
const RESOURCES_OF_IO: [&str; 4] = ["input-stream", "output-stream", "pollable", "io-error"];
/// Error cases that refuse.
const REFUSALS: [&str; 2] = ["HTTP-request-denied", "forbidden"];

/// A request, body or other resource, which does nothing.
struct Nothing;

/// Links a `wasi:http` that refuses everything, in the versions that a component imports.
///
/// Toolchains such as componentize-js import it whether the plugin uses it or not.
///
/// # Errors
///
/// The linker has one of the interfaces already.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, component: &Component) -> Result<()> {
    let engine = &linker.engine().clone();
    for (interface, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            continue;
        };
        if !interface.starts_with(PACKAGE) {
            continue;
        }
        let mut linked = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) if !RESOURCES_OF_IO.contains(&name) => {
                    let nothing = ResourceType::host::<Nothing>();
                    linked.resource(name, nothing, |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => linked.func_new(name, refuse)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn refuse<T: 'static>(
    mut store: StoreContextMut<'_, T>,
    function: ComponentFunc,
    arguments: &[Val],
    results: &mut [Val],
) -> Result<()> {
    for argument in arguments {
        drop_resource(&mut store, argument)?;
    }
    for (result, ty) in results.iter_mut().zip(function.results()) {
        *result = match ty {
            Type::Own(ty) if ty == ResourceType::host::<Nothing>() => {
                let nothing = Resource::<Nothing>::new_own(0);
                Val::Resource(ResourceAny::try_from_resource(nothing, &mut store)?)
            }
            Type::Option(_) => Val::Option(None),
            Type::Result(ty) => match ty.err() {
                None => Val::Result(Err(None)),
                Some(Type::Variant(error)) => Val::Result(Err(Some(Box::new(refusal(&error)?)))),
                Some(_) => bail!("the sandbox has no HTTP"),
            },
            _ => bail!("the sandbox has no HTTP"),
        };
    }
    Ok(())
}

/// Ends the loan or the life of a resource that the plugin handed over.
fn drop_resource<T: 'static>(store: &mut StoreContextMut<'_, T>, value: &Val) -> Result<()> {
    match value {
        Val::Resource(resource) => resource.resource_drop(store),
        Val::Option(Some(value)) => drop_resource(store, value),
        _ => Ok(()),
    }
}

fn refusal(error: &Variant) -> Result<Val> {
    let mut cases = error.cases();
    match cases.find(|case| REFUSALS.contains(&case.name)) {
        Some(case) => Ok(Val::Variant(case.name.to_string(), None)),
        None => bail!("the sandbox has no HTTP"),
    }
}
