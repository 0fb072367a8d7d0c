//! `plugin inspect` and `plugin check`: examination of a plugin file before an agent runs it.
//!
//! Both use the agent's settings, comparisons and sandbox. Neither needs an agent, opens a socket or writes a file.

mod check;
mod inspect;

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::json;

use crate::cli::OutputFormat;

pub use self::check::check;
pub use self::inspect::inspect;

/// The result of `plugin inspect` or `plugin check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolReport {
    /// The output, ready to print.
    pub text: String,
    /// True if no problem was found.
    pub is_good: bool,
}

impl ToolReport {
    /// Makes the output in a format: by `table`, or as JSON from `object`.
    fn new(
        is_good: bool,
        format: OutputFormat,
        table: impl FnOnce(&mut String) -> fmt::Result,
        object: &impl Serialize,
    ) -> Self {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match format {
            OutputFormat::Table => table(&mut text),
            OutputFormat::Json => writeln!(text, "{:#}", json!(object)),
        };
        Self { text, is_good }
    }
}

/// Formats a number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (left, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        out.push(digit);
        if left > 0 && left.is_multiple_of(3) {
            out.push(',');
        }
    }
    out
}

#[cfg(test)]
mod tests;
