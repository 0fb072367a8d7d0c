//! Custom sections of a file: its name, version, licences and description, and the languages and tools that made it.
//!
//! A component contains modules and components. Each has producers of its own, so they are searched too; name, version,
//! licences and description are those of the outermost one, as `wasm-tools metadata` writes them. The file is not
//! trusted: depth, number of sections and results are bounded, and invalid parts are left out. `wasm-metadata` has no
//! such bounds (its tree of a deeply nested file overflows the stack when it is dropped), so this file uses the parser
//! below it. No decision depends on the result.

use std::collections::BTreeSet;

use edge_cache_core::text;
use serde::Serialize;
use wasmparser::{
    Chunk, ComponentName, ComponentNameSectionReader, CustomSectionReader, KnownCustom, Parser,
    Payload, ProducersSectionReader,
};

/// Largest number of producers in a result.
pub const PRODUCERS_MAX: usize = 64;
/// Largest depth of nested components that is searched.
const DEPTH_MAX: usize = 8;
/// Largest number of parsed parts, of all nested files together.
const PARTS_MAX: usize = 100_000;
/// Longest kept part of the name or version of a producer, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// Longest kept part of what a file says of itself, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Texts in which a plugin describes itself. Nobody has verified them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// Name.
    pub name: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Licences, as an SPDX expression.
    pub licenses: Option<String>,
    /// Description.
    pub description: Option<String>,
}

impl Metadata {
    fn read(&mut self, section: &CustomSectionReader<'_>) {
        let field = match section.name() {
            "version" => &mut self.version,
            "licenses" => &mut self.licenses,
            "description" => &mut self.description,
            _ => return,
        };
        keep(field, str::from_utf8(section.data()).unwrap_or_default());
    }

    fn read_name(&mut self, names: ComponentNameSectionReader<'_>) {
        for name in names.into_iter().map_while(Result::ok) {
            if let ComponentName::Component { name, .. } = name {
                keep(&mut self.name, name);
            }
        }
    }
}

/// Keeps the first text that is not empty.
fn keep(field: &mut Option<String>, text: &str) {
    let text = text.trim();
    if field.is_none() && !text.is_empty() {
        *field = Some(text::clean(text, TEXT_BYTES_MAX));
    }
}

/// A language or tool that had a part in making a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Producer {
    /// Role: `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Name.
    pub name: String,
    /// Version; may be empty.
    pub version: String,
}

/// Returns the metadata of a file, and the producers of it and of all files within it, in order, each once.
pub(crate) fn find(file: &[u8]) -> (Metadata, Vec<Producer>) {
    let mut search = Search::default();
    // An invalid part ends the search; what was found before it is kept.
    let _ = search.file(Parser::new(0), file, 0);
    (search.metadata, search.producers.into_iter().collect())
}

#[derive(Default)]
struct Search {
    metadata: Metadata,
    producers: BTreeSet<Producer>,
    parts: usize,
}

impl Search {
    fn file(&mut self, mut parser: Parser, mut rest: &[u8], depth: usize) -> Option<()> {
        loop {
            self.parts = self.parts.saturating_add(1);
            if self.parts > PARTS_MAX {
                return None;
            }
            let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).ok()? else {
                return None;
            };
            rest = rest.get(consumed..)?;
            match payload {
                Payload::CustomSection(section) => match section.as_known() {
                    KnownCustom::Producers(producers) => {
                        let _ = self.producers(producers);
                    }
                    KnownCustom::ComponentName(names) if depth == 0 => {
                        self.metadata.read_name(names);
                    }
                    _ if depth == 0 => self.metadata.read(&section),
                    _ => {}
                },
                // Code is not searched.
                Payload::CodeSectionStart { size, .. } => {
                    parser.skip_section();
                    rest = rest.get(usize::try_from(size).ok()?..)?;
                }
                Payload::ModuleSection {
                    parser,
                    unchecked_range,
                }
                | Payload::ComponentSection {
                    parser,
                    unchecked_range,
                } => {
                    let length = unchecked_range.end.checked_sub(unchecked_range.start)?;
                    let (nested, after) = rest.split_at_checked(length)?;
                    rest = after;
                    if depth < DEPTH_MAX {
                        let _ = self.file(parser, nested, depth.saturating_add(1));
                    }
                }
                Payload::End(_) => return Some(()),
                _ => {}
            }
        }
    }

    fn producers(&mut self, section: ProducersSectionReader<'_>) -> Option<()> {
        for field in section {
            let field = field.ok()?;
            for value in field.values {
                let value = value.ok()?;
                if self.producers.len() >= PRODUCERS_MAX {
                    return None;
                }
                self.producers.insert(Producer {
                    field: clean(field.name),
                    name: clean(value.name),
                    version: clean(value.version),
                });
            }
        }
        Some(())
    }
}

fn clean(name: &str) -> String {
    text::clean(name, NAME_BYTES_MAX)
}

#[cfg(test)]
mod tests;
