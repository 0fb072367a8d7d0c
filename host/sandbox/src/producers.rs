//! The custom section `producers` of a file: languages and tools that made it.
//!
//! A component contains modules and components, each with a section of its own, so they are searched too.
//! The file is not trusted: depth, number of sections and results are bounded, and invalid parts are left
//! out. `wasm-metadata` has no such bounds (its tree of a deeply nested file overflows the stack when it is
//! dropped), so this file uses the parser below it. Nothing depends on the result.

use std::collections::BTreeSet;

use edge_cache_core::text;
use serde::Serialize;
use wasmparser::{Chunk, KnownCustom, Parser, Payload, ProducersSectionReader};

/// Largest number of producers in a result.
pub const PRODUCERS_MAX: usize = 64;
/// Largest depth of nested components that is searched.
const DEPTH_MAX: usize = 8;
/// Largest number of parsed parts, of all nested files together.
const PARTS_MAX: usize = 100_000;
/// Longest kept part of a name or version, in bytes.
const NAME_BYTES_MAX: usize = 100;

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

/// Returns the producers of a file and of all files within it, in order, each once.
pub(crate) fn find(file: &[u8]) -> Vec<Producer> {
    let mut search = Search {
        found: BTreeSet::new(),
        parts: 0,
    };
    // An invalid part ends the search; what was found before it is kept.
    let _ = search.file(Parser::new(0), file, 0);
    search.found.into_iter().collect()
}

struct Search {
    found: BTreeSet<Producer>,
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
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(producers) = section.as_known() {
                        let _ = self.producers(producers);
                    }
                }
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
                if self.found.len() >= PRODUCERS_MAX {
                    return None;
                }
                self.found.insert(Producer {
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
