//! Differences between two signatures, each by its place.
//!
//! The texts are those of [`signature`](crate::signature). The one of a plugin may be cut, and nested deeply: the
//! comparison goes no deeper than the expected one.

use std::fmt;

/// Text of a side that has nothing at a place.
const NOTHING: &str = "nothing";
const OPENING: [char; 3] = ['(', '<', '{'];
const CLOSING: [char; 3] = [')', '>', '}'];

/// A place where two signatures differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Parameter or result and the way within its type, such as `capacity.geo?` or `result.ok`.
    pub place: String,
    /// Expected type.
    pub expected: String,
    /// Type in the component.
    pub found: String,
}

impl Difference {
    fn new(place: &str, expected: &str, found: &str) -> Self {
        let place = if place.is_empty() { "function" } else { place };
        Self {
            place: place.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, expected, found) = (&self.place, &self.expected, &self.found);
        write!(f, "{place}: expected {expected}, found {found}")
    }
}

/// Returns the differences of two signatures, at least one if they are not equal.
pub(super) fn differences(expected: &str, found: &str) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare("", expected, found, &mut differences);
    differences
}

fn compare(place: &str, expected: &str, found: &str, differences: &mut Vec<Difference>) {
    if expected == found {
        return;
    }
    let (kind, parts) = parts(expected);
    let (found_kind, found_parts) = self::parts(found);
    let before = differences.len();
    if kind == found_kind {
        for (name, ty) in &parts {
            let place = step(place, name);
            match find(&found_parts, name) {
                Some(found) => compare(&place, ty, found, differences),
                None => differences.push(Difference::new(&place, ty, NOTHING)),
            }
        }
        let others = found_parts.iter();
        for (name, ty) in others.filter(|(name, _)| find(&parts, name).is_none()) {
            differences.push(Difference::new(&step(place, name), NOTHING, ty));
        }
    }
    // Other kinds, other names without types, or another order.
    if differences.len() == before {
        differences.push(Difference::new(place, expected, found));
    }
}

fn find<'a>(parts: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    let part = parts.iter().find(|(other, _)| *other == name);
    part.map(|(_, ty)| *ty)
}

fn step(place: &str, name: &str) -> String {
    let is_first = place.is_empty() || name == "[]" || name == "?";
    format!("{place}{}{name}", if is_first { "" } else { "." })
}

/// Splits a type or function into its kind and the names and types of its parts.
fn parts(text: &str) -> (&str, Vec<(&str, &str)>) {
    let (kind, rest) = text.split_at(text.find(OPENING).unwrap_or(text.len()));
    let (inner, after) = bracket(rest);
    let items = split(inner);
    let mut parts: Vec<_> = match kind {
        "variant" => items
            .map(|item| {
                let (name, value) = item.split_at(item.find('(').unwrap_or(item.len()));
                let (value, _) = bracket(value);
                (name, if value.is_empty() { "no value" } else { value })
            })
            .collect(),
        "result" => ["ok", "err"].into_iter().zip(items).collect(),
        "list" => items.map(|item| ("[]", item)).collect(),
        "option" => items.map(|item| ("?", item)).collect(),
        // Enums, flags and tuples have no names with types.
        _ => items.filter_map(|item| item.split_once(": ")).collect(),
    };
    let result = after.strip_prefix(" -> ");
    parts.extend(result.map(|result| ("result", result)));
    (kind, parts)
}

/// Splits a text that begins with a bracket into what is within it, and the rest.
fn bracket(text: &str) -> (&str, &str) {
    let end = marks(text).find(|(_, depth, _)| *depth == 0);
    let end = end.map_or(text.len(), |(index, ..)| index);
    let inner = text.get(1..end).unwrap_or_default();
    (inner, text.get(end.saturating_add(1)..).unwrap_or_default())
}

/// Splits a list at the commas outside of brackets.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let commas = marks(text).filter(|(_, depth, mark)| *depth == 0 && *mark == ',');
    let mut begin = 0_usize;
    let ends = commas.map(|(index, ..)| index).chain([text.len()]);
    ends.filter_map(move |end| {
        let item = text.get(begin..end)?.trim_start();
        begin = end.saturating_add(1);
        (!item.is_empty()).then_some(item)
    })
}

/// Returns each bracket and comma, with its index and the depth after it.
fn marks(text: &str) -> impl Iterator<Item = (usize, i32, char)> {
    text.char_indices()
        .scan(0_i32, move |depth, (index, mark)| {
            // The arrow before a result is no bracket.
            let is_arrow = mark == '>' && text.get(..index).is_some_and(|text| text.ends_with('-'));
            if OPENING.contains(&mark) {
                *depth = depth.saturating_add(1);
            } else if CLOSING.contains(&mark) && !is_arrow {
                *depth = depth.saturating_sub(1);
            } else if mark != ',' {
                return Some(None);
            }
            Some(Some((index, *depth, mark)))
        })
        .flatten()
}

#[cfg(test)]
mod tests;
