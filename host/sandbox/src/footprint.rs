//! The footprint of a component: host memory that it and an instance take beside linear memories, objects and code.
//!
//! Wasmtime allocates a record for each type, export and other definition of a file, and one for each global, function and
//! other item of each core instance, outside of the store's limiter. A small file may define very many types, or
//! instantiate one large module very often, so the footprint is counted from the file before it is compiled. The count
//! never runs code and takes time in proportion to the file.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, CompositeInnerType, Instance, Parser, Payload, SubType, TypeSectionReader,
};

use crate::error::PluginError;

/// Host memory of one item of an instance: an import, a function, table, memory, global, tag, segment or lowered
/// function.
const ITEM_BYTES: u64 = 32;
/// Host memory of the definition of an item, however often it is instantiated. Measured, as the next ones.
const DEFINITION_BYTES: u64 = 64;
/// Host memory of an export of a module.
const EXPORT_BYTES: u64 = 144;
/// Host memory of a core type beside its fields.
const TYPE_BYTES: u64 = 640;
/// Host memory of a field of an object, or a parameter or result of a function.
const FIELD_BYTES: u64 = 72;
/// Largest section of core types that is read, in bytes: the reader takes a group of types into memory. Each byte of a
/// larger one counts as a field.
const TYPES_READ_MAX: usize = 4 * 1024 * 1024;
/// Host memory of one byte of the types, imports and exports of a component.
const INTERFACE_BYTES: u64 = 16;
/// Host memory of one core instance beside its items.
const INSTANCE_BYTES: u64 = 1024;
/// Largest number of modules, and of components, in the index space of a component. Wasmtime has the same limit.
const SPACE_MAX: usize = 1_000;
/// Largest depth of components in components.
const DEPTH_MAX: usize = 64;

/// Returns the host memory of one instance in bytes. Saturates.
///
/// # Errors
///
/// [`PluginError::Invalid`] if the file is no valid component, nests components deeper than 64 levels, or instantiates
/// a module or component that it is given.
pub(crate) fn of(component: &[u8]) -> Result<u64, PluginError> {
    let mut count = Count {
        outer: Vec::new(),
        module: None,
        defined: 0,
    };
    for payload in Parser::new(0).parse_all(component) {
        let payload = read(payload)?;
        if let Some(footprint) = count.payload(payload)? {
            return Ok(footprint);
        }
    }
    Err(invalid("it ends too early"))
}

/// The components that are being read, the module within the last one, if any, and what all definitions take.
struct Count {
    outer: Vec<Scope>,
    module: Option<u64>,
    defined: u64,
}

/// Index spaces of a component, with the footprint of each item. It is none for an item that the component is given.
#[derive(Default)]
struct Scope {
    modules: Vec<Option<u64>>,
    components: Vec<Option<u64>>,
    bytes: u64,
}

impl Scope {
    fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn add_items(&mut self, items: u32) {
        self.add(items_bytes(items));
    }

    fn add_module(&mut self, module: Option<u64>) -> Result<(), PluginError> {
        push(&mut self.modules, module)
    }

    fn add_component(&mut self, component: Option<u64>) -> Result<(), PluginError> {
        push(&mut self.components, component)
    }
}

impl Count {
    /// Counts a part of the file. Returns the footprint at its end.
    fn payload(&mut self, payload: Payload<'_>) -> Result<Option<u64>, PluginError> {
        if let Some(bytes) = &mut self.module {
            let items = match payload {
                Payload::TypeSection(section) => {
                    let bytes = types_bytes(section)?;
                    self.defined = self.defined.saturating_add(bytes);
                    0
                }
                Payload::ExportSection(section) => {
                    let bytes = u64::from(section.count()).saturating_mul(EXPORT_BYTES);
                    self.defined = self.defined.saturating_add(bytes);
                    0
                }
                Payload::ImportSection(section) => {
                    u32::try_from(section.into_imports().count()).unwrap_or(u32::MAX)
                }
                Payload::FunctionSection(section) => section.count(),
                Payload::TableSection(section) => section.count(),
                Payload::MemorySection(section) => section.count(),
                Payload::TagSection(section) => section.count(),
                Payload::GlobalSection(section) => section.count(),
                Payload::ElementSection(section) => section.count(),
                Payload::DataSection(section) => section.count(),
                Payload::End(_) => {
                    let module = self.module.take();
                    self.scope(0)?.add_module(module)?;
                    return Ok(None);
                }
                _ => 0,
            };
            *bytes = bytes.saturating_add(items_bytes(items));
            let defined = u64::from(items).saturating_mul(DEFINITION_BYTES);
            self.defined = self.defined.saturating_add(defined);
            return Ok(None);
        }
        if let Payload::ComponentTypeSection(_)
        | Payload::ComponentImportSection(_)
        | Payload::ComponentExportSection(_)
        | Payload::CoreTypeSection(_) = &payload
        {
            let bytes = payload.as_section().map_or(0, |(_, range)| range.len());
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            let bytes = bytes.saturating_mul(INTERFACE_BYTES);
            self.defined = self.defined.saturating_add(bytes);
        }
        match payload {
            Payload::Version { .. } if self.outer.is_empty() => self.outer.push(Scope::default()),
            Payload::ModuleSection { .. } => self.module = Some(INSTANCE_BYTES),
            Payload::ComponentSection { .. } if self.outer.len() >= DEPTH_MAX => {
                return Err(invalid(&format!(
                    "it nests components deeper than {DEPTH_MAX} levels"
                )));
            }
            Payload::ComponentSection { .. } => self.outer.push(Scope::default()),
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { module_index, .. } = read(instance)? {
                        let scope = self.scope(0)?;
                        let bytes = found(&scope.modules, module_index, "module")?;
                        scope.add(bytes);
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = read(instance)?
                    {
                        let scope = self.scope(0)?;
                        let bytes = found(&scope.components, component_index, "component")?;
                        scope.add(bytes);
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(&read(alias)?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                let items = section.count();
                self.scope(0)?.add_items(items);
            }
            Payload::ComponentImportSection(section) => {
                let scope = self.scope(0)?;
                for import in section {
                    match read(import)?.ty {
                        ComponentTypeRef::Module(_) => scope.add_module(None)?,
                        ComponentTypeRef::Component(_) => scope.add_component(None)?,
                        _ => {}
                    }
                }
            }
            // An export adds its item to the index space once more.
            Payload::ComponentExportSection(section) => {
                let scope = self.scope(0)?;
                for export in section {
                    let export = read(export)?;
                    let (space, index) = match export.kind {
                        ComponentExternalKind::Module => (&mut scope.modules, export.index),
                        ComponentExternalKind::Component => (&mut scope.components, export.index),
                        _ => continue,
                    };
                    let item = at(space, index)?;
                    push(space, item)?;
                }
            }
            Payload::End(_) => {
                let ended = self.outer.pop().map(|scope| scope.bytes);
                match self.outer.last_mut() {
                    Some(scope) => scope.add_component(ended)?,
                    None => return Ok(ended.map(|bytes| bytes.saturating_add(self.defined))),
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), PluginError> {
        match *alias {
            ComponentAlias::InstanceExport { kind, .. } => match kind {
                ComponentExternalKind::Module => self.scope(0)?.add_module(None)?,
                ComponentExternalKind::Component => self.scope(0)?.add_component(None)?,
                _ => {}
            },
            ComponentAlias::Outer { kind, count, index } => match kind {
                ComponentOuterAliasKind::CoreModule => {
                    let module = at(&self.scope(count)?.modules, index)?;
                    self.scope(0)?.add_module(module)?;
                }
                ComponentOuterAliasKind::Component => {
                    let component = at(&self.scope(count)?.components, index)?;
                    self.scope(0)?.add_component(component)?;
                }
                _ => {}
            },
            ComponentAlias::CoreInstanceExport { .. } => self.scope(0)?.add_items(1),
        }
        Ok(())
    }

    /// Returns the component that is `outward` levels around the innermost one.
    fn scope(&mut self, outward: u32) -> Result<&mut Scope, PluginError> {
        let outward = usize::try_from(outward).ok();
        let scope = outward.and_then(|outward| self.outer.iter_mut().rev().nth(outward));
        scope.ok_or_else(|| invalid("it refers to a component around it that is not there"))
    }
}

/// Adds an item to an index space, which a file must not fill the memory with.
fn push(space: &mut Vec<Option<u64>>, item: Option<u64>) -> Result<(), PluginError> {
    if space.len() >= SPACE_MAX {
        return Err(invalid(&format!(
            "one of its components has more than {SPACE_MAX} modules or components"
        )));
    }
    space.push(item);
    Ok(())
}

fn items_bytes(items: u32) -> u64 {
    u64::from(items).saturating_mul(ITEM_BYTES)
}

fn types_bytes(section: TypeSectionReader<'_>) -> Result<u64, PluginError> {
    let bytes = section.range().len();
    if bytes > TYPES_READ_MAX {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        return Ok(bytes.saturating_mul(FIELD_BYTES));
    }
    section.into_iter().try_fold(0_u64, |sum, group| {
        let types = read(group)?.into_types().map(|ty| type_bytes(&ty));
        Ok(types.fold(sum, u64::saturating_add))
    })
}

fn type_bytes(ty: &SubType) -> u64 {
    let fields = match &ty.composite_type.inner {
        CompositeInnerType::Func(func) => func.params().len().saturating_add(func.results().len()),
        CompositeInnerType::Struct(object) => object.fields.len(),
        CompositeInnerType::Array(_) | CompositeInnerType::Cont(_) => 1,
    };
    let fields = u64::try_from(fields).unwrap_or(u64::MAX);
    TYPE_BYTES.saturating_add(fields.saturating_mul(FIELD_BYTES))
}

/// Returns the footprint of an instantiated item.
fn found(space: &[Option<u64>], index: u32, kind: &str) -> Result<u64, PluginError> {
    at(space, index)?.ok_or_else(|| {
        invalid(&format!(
            "it instantiates a {kind} that it imports or takes from an instance; only one that the file defines can be"
        ))
    })
}

fn at(space: &[Option<u64>], index: u32) -> Result<Option<u64>, PluginError> {
    let index = usize::try_from(index).ok();
    let item = index.and_then(|index| space.get(index));
    item.copied()
        .ok_or_else(|| invalid("it refers to a module or component that is not there"))
}

fn read<T>(item: wasmparser::Result<T>) -> Result<T, PluginError> {
    item.map_err(|error| PluginError::invalid(&error.to_string()))
}

fn invalid(reason: &str) -> PluginError {
    PluginError::Invalid(reason.to_string())
}

#[cfg(test)]
mod tests;
