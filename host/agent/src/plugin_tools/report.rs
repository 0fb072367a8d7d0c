//! The output of the plugin tools.

/// The result of `plugin inspect` or `plugin check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolReport {
    /// The output, ready to print.
    pub text: String,
    /// True if no problem was found.
    pub is_good: bool,
}

/// Formats a JSON document for output.
pub(super) fn document(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Formats a number with a comma between groups of three digits.
pub(super) fn grouped(number: u64) -> String {
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
