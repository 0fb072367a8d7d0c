//! Components that cost much: modules with very many items, and many instances of them.
//!
//! The files are written as binary, since the text of such a file would take more memory than the file may cost.

use std::borrow::Cow;

use anyhow::Result;
use wasm_encoder::{
    CodeSection, ComponentSection, ConstExpr, CustomSection, DataSection, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, FieldType, Function, FunctionSection, GlobalSection,
    GlobalType, ImportSection, InstanceSection, MemorySection, MemoryType, Module, ModuleSection,
    RefType, StorageType, TableSection, TableType, TagKind, TagSection, TagType, TypeSection,
    ValType,
};

/// Largest number of local variables beside the parameter of a function, by the limit of WebAssembly.
const LOCALS_MAX: u32 = 49_999;

/// Numbers of items of a module. Functions take an `i32`, and have a body each.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Function types that nobody uses.
    pub types: u32,
    /// Types of objects of the collector, each another one.
    pub structs: u32,
    /// Tags of exceptions.
    pub tags: u32,
    /// Imports of functions, so that there can be no instances.
    pub imports: u32,
    /// Exports of a function.
    pub exports: u32,
    /// Functions with a short body.
    pub functions: u32,
    /// Tables of one element.
    pub tables: u32,
    /// Memories without a page.
    pub memories: u32,
    /// Globals.
    pub globals: u32,
    /// Element segments.
    pub elements: u32,
    /// Data segments.
    pub data: u32,
    /// Bytes of a custom section.
    pub custom_bytes: usize,
    /// Loops in loops, in one more function.
    pub depth: usize,
    /// Additions one after the other, in one more function.
    pub additions: usize,
    /// Local variables of these functions.
    pub locals: u32,
    /// Instances of the module.
    pub instances: u32,
}

impl Shape {
    /// Draws a shape with a few kinds of items in large numbers.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut shape = Self {
            instances: 10_u32.pow(rng.u32(0..4)),
            ..Self::default()
        };
        for _ in 0..rng.u32(1..5) {
            let many = 10_u32.pow(rng.u32(1..6));
            let size = usize::try_from(many).unwrap_or(usize::MAX);
            match rng.u32(0..15) {
                0 => shape.types = many,
                11 => shape.structs = many,
                12 => shape.tags = many,
                13 => shape.imports = many,
                14 => shape.exports = many,
                1 => shape.functions = many,
                2 => shape.tables = many,
                3 => shape.memories = many,
                4 => shape.globals = many,
                5 => shape.elements = many,
                6 => shape.data = many,
                7 => shape.custom_bytes = size.saturating_mul(10),
                8 => shape.depth = size,
                9 => shape.additions = size,
                _ => shape.locals = many.min(LOCALS_MAX),
            }
        }
        shape
    }

    /// Adds the module and its instances to the end of a component.
    ///
    /// # Errors
    ///
    /// The component is not valid.
    pub fn beside(&self, component: &[u8]) -> Result<Vec<u8>> {
        let text = wasmprinter::print_bytes(component)?;
        let modules = text
            .lines()
            .filter(|line| line.starts_with("  (core module "))
            .count();
        let mut instances = InstanceSection::new();
        let count = if self.imports > 0 { 0 } else { self.instances };
        for _ in 0..count {
            let none: [(&str, wasm_encoder::ModuleArg); 0] = [];
            instances.instantiate(modules.try_into()?, none);
        }
        let mut file = component.to_vec();
        ModuleSection(&self.module()).append_to_component(&mut file);
        instances.append_to_component(&mut file);
        Ok(file)
    }

    fn module(&self) -> Module {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32], []);
        for _ in 0..self.types {
            types
                .ty()
                .function([ValType::I32, ValType::F64], [ValType::I64]);
        }
        for number in 0..self.structs {
            types.ty().struct_(fields(number));
        }
        let mut imports = ImportSection::new();
        for number in 0..self.imports {
            let name = format!("{number:x}");
            imports.import("a", &name, EntityType::Function(0));
        }
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        let mut function = |body: &mut dyn FnMut(&mut Function), locals: u32| {
            functions.function(0);
            let mut function = Function::new([(locals, ValType::I64)]);
            body(&mut function);
            function.instructions().end();
            code.function(&function);
        };
        for _ in 0..self.functions.max(u32::from(self.exports > 0)) {
            function(&mut |body| addition(body), 0);
        }
        if self.depth > 0 {
            let mut nest = |body: &mut Function| {
                for _ in 0..self.depth {
                    body.instructions().loop_(wasm_encoder::BlockType::Empty);
                }
                for _ in 0..self.depth {
                    body.instructions().end();
                }
            };
            function(&mut nest, self.locals);
        }
        if self.additions > 0 {
            let mut add = |body: &mut Function| (0..self.additions).for_each(|_| addition(body));
            function(&mut add, self.locals);
        }
        let mut tables = TableSection::new();
        for _ in 0..self.tables {
            tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: 1,
                maximum: None,
                shared: false,
            });
        }
        let mut memories = MemorySection::new();
        for _ in 0..self.memories {
            memories.memory(MemoryType {
                minimum: 0,
                maximum: None,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        let mut globals = GlobalSection::new();
        for _ in 0..self.globals {
            let ty = GlobalType {
                val_type: ValType::I32,
                mutable: false,
                shared: false,
            };
            globals.global(ty, &ConstExpr::i32_const(0));
        }
        let mut exports = ExportSection::new();
        for number in 0..self.exports {
            exports.export(&format!("{number:x}"), ExportKind::Func, 0);
        }
        let mut tags = TagSection::new();
        for _ in 0..self.tags {
            tags.tag(TagType {
                kind: TagKind::Exception,
                func_type_idx: 0,
            });
        }
        let mut elements = ElementSection::new();
        for _ in 0..self.elements {
            elements.passive(Elements::Functions(Cow::Borrowed(&[])));
        }
        let mut data = DataSection::new();
        for _ in 0..self.data {
            data.passive([0; 4]);
        }
        let custom = CustomSection {
            name: "note".into(),
            data: vec![0; self.custom_bytes].into(),
        };
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&tables);
        module
            .section(&memories)
            .section(&tags)
            .section(&globals)
            .section(&exports)
            .section(&elements);
        module.section(&code).section(&data).section(&custom);
        module
    }
}

/// Returns other fields for each number: its digits are the types.
fn fields(number: u32) -> Vec<FieldType> {
    let digits = (0..u32::BITS / 2).map(|digit| number >> (2 * digit) & 3);
    let types = digits.map(|digit| match digit {
        0 => ValType::I32,
        1 => ValType::I64,
        2 => ValType::F32,
        _ => ValType::F64,
    });
    let field = |ty| FieldType {
        element_type: StorageType::Val(ty),
        mutable: true,
    };
    types.map(field).collect()
}

fn addition(body: &mut Function) {
    body.instructions()
        .local_get(0)
        .i32_const(1)
        .i32_add()
        .local_set(0);
}
