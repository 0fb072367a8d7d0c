//! Text of plugins and peers, made safe for log lines, terminals and errors.

/// Longest text of a plugin or a peer in an error, in bytes.
pub const ERROR_BYTES_MAX: usize = 1024;

/// Returns an error and its causes in one line, separated by colons.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Returns whether a character could break a line or reorder text on a screen.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Replaces unprintable characters and cuts the text after `bytes_max` bytes.
///
/// A cut text ends in `…`, which does not count.
pub fn clean(text: &str, bytes_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(bytes_max));
    for c in text.chars() {
        let c = if is_unprintable(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        };
        if out.len().saturating_add(c.len_utf8()) > bytes_max {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}
