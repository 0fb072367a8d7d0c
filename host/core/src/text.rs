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

/// Replaces what stands before the host of a URL, `USER:PASSWORD`, by `…`. A digest behind a tag (`:TAG@sha256:…`) is no
/// host.
pub fn without_passwords(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || "\"'`,[]()".contains(c);
    let words = text.split_inclusive(is_end);
    words
        .map(|word| hidden(word).unwrap_or_else(|| word.to_string()))
        .collect()
}

fn hidden(word: &str) -> Option<String> {
    let mut hosts = word.rmatch_indices('@').filter(|(at, _)| {
        let rest = word.get(at.saturating_add(1)..);
        !rest.is_some_and(|rest| rest.starts_with("sha256:"))
    });
    let (before, host) = word.split_at_checked(hosts.next()?.0)?;
    let scheme = before.find("://").map(|at| at.saturating_add(3));
    let setting = before.find('=').map(|at| at.saturating_add(1));
    let start = scheme.or(setting).unwrap_or(0);
    let (name, account) = before.split_at_checked(start)?;
    account.contains(':').then(|| format!("{name}…{host}"))
}

#[cfg(test)]
mod tests;
