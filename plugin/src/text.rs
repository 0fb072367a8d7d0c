//! Printable characters, and excerpts of foreign text.

#[cfg(test)]
mod tests;

/// Longest excerpt of foreign text in an error, in characters.
const MAX_EXCERPT_CHARS: usize = 40;

/// Returns whether a character is a control character, a direction mark, or a separator of lines or
/// paragraphs, which could change the appearance of the text around it.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061C}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// Returns the beginning of a foreign text for an error, with U+FFFD for every unprintable character.
pub(crate) fn excerpt(foreign: &str) -> String {
    let mut chars = foreign.chars();
    let mut shown: String = chars
        .by_ref()
        .take(MAX_EXCERPT_CHARS)
        .map(|c| {
            if is_unprintable(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect();
    if chars.next().is_some() {
        shown.push_str("...");
    }
    shown
}
