//! Prints lines and JSON on standard output.
//!
//! Unprintable characters from the network are escaped, so that they cannot control a terminal or forge a line.

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::{Context, Result};
use edge_cache_core::text;
use serde_json::Value;

#[cfg(test)]
mod tests;

/// Prints a text and a line break in one write, so that an interrupted command leaves no part of a line.
pub(super) fn line(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{text}\n").as_bytes())
        .and_then(|()| out.flush())
        .context("cannot print the result")
}

/// Returns JSON on one line, with unprintable characters escaped.
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
