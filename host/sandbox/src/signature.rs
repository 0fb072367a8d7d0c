//! The signature of a component's function as text, with all types written out.
//!
//! Types of a component can expand to many gigabytes of text, so the text is cut a little beyond the longest
//! signature that a comparison needs.

use wasmtime::component::types::{ComponentFunc, Type};

/// Longest signature in bytes, more than any of the world has.
const BYTES_MAX: usize = 4 * 1024;

/// Writes a signature such as `func(node-id: u64) -> bool`, cut at [`BYTES_MAX`].
pub(crate) fn of(func: &ComponentFunc) -> String {
    let mut out = Writer(String::new());
    let begin = if func.async_() {
        "async func("
    } else {
        "func("
    };
    out.group([begin, ")"], func.params(), |out, (name, ty)| {
        out.field(name, &ty)
    });
    if let Some(result) = func.results().next() {
        out.push(" -> ");
        out.ty(&result);
    }
    out.0
}

struct Writer(String);

impl Writer {
    fn is_full(&self) -> bool {
        self.0.len() >= BYTES_MAX
    }

    fn push(&mut self, text: &str) {
        let free = BYTES_MAX.saturating_sub(self.0.len());
        // A single name may be too long.
        let end = text.floor_char_boundary(free);
        self.0.push_str(text.get(..end).unwrap_or_default());
        if end < text.len() {
            // Fills the bytes that are too few for the next character.
            self.0
                .extend(std::iter::repeat_n('.', free.saturating_sub(end)));
        }
    }

    /// Writes a list between the two texts of `ends`.
    fn group<T>(
        &mut self,
        [begin, end]: [&str; 2],
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.push(begin);
        for (index, item) in items.into_iter().enumerate() {
            if self.is_full() {
                return;
            }
            if index > 0 {
                self.push(", ");
            }
            write(self, item);
        }
        self.push(end);
    }

    fn field(&mut self, name: &str, ty: &Type) {
        self.push(name);
        self.push(": ");
        self.ty(ty);
    }

    fn types(&mut self, kind: &str, types: impl IntoIterator<Item = Type>) {
        self.push(kind);
        self.group(["<", ">"], types, |out, ty| out.ty(&ty));
    }

    fn ty(&mut self, ty: &Type) {
        if self.is_full() {
            return;
        }
        match ty {
            Type::Bool => self.push("bool"),
            Type::S8 => self.push("s8"),
            Type::U8 => self.push("u8"),
            Type::S16 => self.push("s16"),
            Type::U16 => self.push("u16"),
            Type::S32 => self.push("s32"),
            Type::U32 => self.push("u32"),
            Type::S64 => self.push("s64"),
            Type::U64 => self.push("u64"),
            Type::Float32 => self.push("f32"),
            Type::Float64 => self.push("f64"),
            Type::Char => self.push("char"),
            Type::String => self.push("string"),
            Type::List(list) => self.types("list", [list.ty()]),
            Type::Option(option) => self.types("option", [option.ty()]),
            Type::Tuple(tuple) => self.types("tuple", tuple.types()),
            Type::Result(result) => match (result.ok(), result.err()) {
                (None, None) => self.push("result"),
                (Some(ok), None) => self.types("result", [ok]),
                (Some(ok), Some(err)) => self.types("result", [ok, err]),
                (None, Some(err)) => self.group(["result<_, ", ">"], [err], |out, ty| out.ty(&ty)),
            },
            Type::Record(record) => self.group(["record{", "}"], record.fields(), |out, field| {
                out.field(field.name, &field.ty);
            }),
            Type::Variant(variant) => {
                self.group(["variant{", "}"], variant.cases(), |out, case| {
                    out.push(case.name);
                    if let Some(ty) = case.ty {
                        out.group(["(", ")"], [ty], |out, ty| out.ty(&ty));
                    }
                })
            }
            Type::Enum(names) => self.group(["enum{", "}"], names.names(), Self::push),
            Type::Flags(names) => self.group(["flags{", "}"], names.names(), Self::push),
            Type::Own(_) => self.push("own<resource>"),
            Type::Borrow(_) => self.push("borrow<resource>"),
            Type::Map(_) => self.push("map"),
            Type::Future(_) => self.push("future"),
            Type::Stream(_) => self.push("stream"),
            Type::ErrorContext => self.push("error-context"),
            Type::FixedLengthList(_) => self.push("fixed-length list"),
        }
    }
}
