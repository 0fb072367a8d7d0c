//! Text from outside, made fit for a log line, a terminal or an error.

use crate::types::is_unprintable;

/// The longest text of a component or a peer in an error, in bytes.
pub(crate) const ERROR_BYTES_MAX: usize = 1024;

/// At most `bytes_max` bytes of `text`, with everything unprintable replaced.
///
/// A text that is cut ends in `…`, which comes on top.
pub(crate) fn clean(text: &str, bytes_max: usize) -> String {
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
