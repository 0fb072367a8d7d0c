//! Which characters may be shown to people, and excerpts of foreign text.

#[cfg(test)]
mod tests;

/// The longest excerpt of foreign text in an error, in characters.
const MAX_EXCERPT_CHARS: usize = 40;

/// Whether a character could change how the text around it is shown: a control character, one that
/// changes the direction of text, or a separator of lines or paragraphs.
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

/// The beginning of a foreign text, fit to be quoted in an error: bounded, and with U+FFFD in place
/// of every unprintable character.
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
