//! Components that cost much: modules with very many items, and many instances of them.
//!
//! The files are written as binary, since the text of such a file would take more memory than the file may cost.

use std::borrow::Cow;

use anyhow::Result;
use wasm_encoder::{
    CodeSection, ComponentSection, ConstExpr, CustomSection, DataSection, ElementSection, Elements,
    Function, FunctionSection, GlobalSection, GlobalType, InstanceSection, MemorySection,
    MemoryType, Module, ModuleSection, RefType, TableSection, TableType, TypeSection, ValType,
};

/// Numbers of items of a module. Functions take an `i32`, and have a body each.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Function types that nobody uses.
    pub types: u32,
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
            match rng.u32(0..11) {
                0 => shape.types = many,
                1 => shape.functions = many,
                2 => shape.tables = many,
                3 => shape.memories = many,
                4 => shape.globals = many,
                5 => shape.elements = many,
                6 => shape.data = many,
                7 => shape.custom_bytes = size.saturating_mul(10),
                8 => shape.depth = size,
                9 => shape.additions = size,
                _ => shape.locals = many.min(50_000),
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
        for _ in 0..self.instances {
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
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        let mut function = |body: &mut dyn FnMut(&mut Function), locals: u32| {
            functions.function(0);
            let mut function = Function::new([(locals, ValType::I64)]);
            body(&mut function);
            function.instructions().end();
            code.function(&function);
        };
        for _ in 0..self.functions {
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
        module.section(&types).section(&functions).section(&tables);
        module
            .section(&memories)
            .section(&globals)
            .section(&elements);
        module.section(&code).section(&data).section(&custom);
        module
    }
}

fn addition(body: &mut Function) {
    body.instructions()
        .local_get(0)
        .i32_const(1)
        .i32_add()
        .local_set(0);
}
