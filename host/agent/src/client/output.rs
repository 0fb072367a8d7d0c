//! What is printed: JSON as the agent said it, or a table.
//!
//! Nothing that comes from the network can move the cursor of a terminal, forge a line or reorder text: in
//! JSON it is escaped, and still the same; in tables it is replaced.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::OutputFormat;
use edge_cache_core::text;

#[cfg(test)]
mod tests;

/// Prints one answer on standard output. `table` shows it to people. Answers what was wrong with it, where it is not what an
/// agent answers.
pub(super) fn print<T: DeserializeOwned>(
    format: OutputFormat,
    body: &[u8],
    table: impl Fn(&T) -> String,
) -> io::Result<Result<(), serde_json::Error>> {
    let text = match format {
        OutputFormat::Table => serde_json::from_slice(body).map(|answer| table(&answer)),
        OutputFormat::Json => serde_json::from_slice(body).map(|answer: Value| json(&answer)),
    };
    match text {
        Ok(text) => line(&text).map(Ok),
        Err(wrong) => Ok(Err(wrong)),
    }
}

/// Prints a text and ends the line, at once.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    // In one piece: a line is whole or not there, even where this is interrupted.
    out.write_all(format!("{text}\n").as_bytes())?;
    out.flush()
}

/// JSON on one line, with everything unprintable escaped.
pub(super) fn json(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if text::is_unprintable(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}
