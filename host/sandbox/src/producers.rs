//! Who made a WebAssembly file: the custom section `producers`, which languages and tools write.
//!
//! A component holds modules and components, each with a section of its own, so they are searched too. The
//! file may be anyone's: how deep, how much and how long is bounded, and what does not parse is left out.
//! Nothing that is found here decides anything.

use std::collections::BTreeSet;

use edge_cache_core::text;

/// How many producers are kept.
pub const PRODUCERS_MAX: usize = 64;
/// How deep components within components are searched.
const DEPTH_MAX: usize = 8;
/// How many sections are looked at in all.
const SECTIONS_MAX: usize = 100_000;
/// How much of a name or a version is kept, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// Magic number and version.
const HEADER_BYTES: usize = 8;
const CUSTOM: u8 = 0;
/// Sections of a component that hold a whole module, and a whole component.
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;
/// The layer of a file, after its version: a module's is 0, a component's 1.
const COMPONENT_LAYER: [u8; 2] = [1, 0];
/// A 32-bit number takes no more bytes than this.
const LEB_BYTES_MAX: usize = 5;

/// One thing that had a part in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// What kind of part: `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version, which may be empty.
    pub version: String,
}

/// The producers of a file and of all within it, in order, each once.
pub(super) fn find(file: &[u8]) -> Vec<Producer> {
    let mut search = Search {
        found: BTreeSet::new(),
        sections: 0,
    };
    // What comes after a part that does not parse is lost, and what came before it stays.
    let _ = search.file(file, 0);
    search.found.into_iter().collect()
}

struct Search {
    found: BTreeSet<Producer>,
    sections: usize,
}

impl Search {
    fn file(&mut self, file: &[u8], depth: usize) -> Option<()> {
        let (header, mut rest) = file.split_at_checked(HEADER_BYTES)?;
        let is_component = header.ends_with(&COMPONENT_LAYER);
        while !rest.is_empty() {
            self.sections = self.sections.saturating_add(1);
            if self.sections > SECTIONS_MAX {
                return None;
            }
            let id = byte(&mut rest)?;
            let content = bytes(&mut rest)?;
            match id {
                CUSTOM => self.custom(content),
                MODULE | COMPONENT if is_component && depth < DEPTH_MAX => {
                    let _ = self.file(content, depth.saturating_add(1));
                }
                _ => {}
            }
        }
        Some(())
    }

    fn custom(&mut self, mut content: &[u8]) {
        if bytes(&mut content) == Some(b"producers") {
            let _ = self.producers(content);
        }
    }

    fn producers(&mut self, mut content: &[u8]) -> Option<()> {
        for _ in 0..number(&mut content)? {
            let field = name(&mut content)?;
            for _ in 0..number(&mut content)? {
                let producer = Producer {
                    field: field.clone(),
                    name: name(&mut content)?,
                    version: name(&mut content)?,
                };
                if self.found.len() >= PRODUCERS_MAX {
                    return None;
                }
                self.found.insert(producer);
            }
        }
        Some(())
    }
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    let (first, rest) = from.split_first()?;
    *from = rest;
    Some(*first)
}

/// A number in LEB128.
fn number(from: &mut &[u8]) -> Option<usize> {
    let mut number = 0_u64;
    for place in 0..LEB_BYTES_MAX {
        let next = byte(from)?;
        let shift = u32::try_from(place).ok()?.checked_mul(7)?;
        number |= u64::from(next & 0x7f).checked_shl(shift)?;
        if next & 0x80 == 0 {
            return usize::try_from(number).ok();
        }
    }
    None
}

/// Bytes after their number.
fn bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = number(from)?;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

fn name(from: &mut &[u8]) -> Option<String> {
    let name = String::from_utf8_lossy(bytes(from)?);
    Some(text::clean(&name, NAME_BYTES_MAX))
}

#[cfg(test)]
mod tests;
