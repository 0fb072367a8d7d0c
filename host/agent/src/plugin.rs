//! `plugin inspect` and `plugin check`: what the author of a component and the operator who was given one
//! want to know before an agent runs it.
//!
//! Both look with the agent's own eyes: the same limits and grants from the same settings, the same
//! comparisons, the same sandbox. Neither needs an agent, opens a socket or writes a file.

mod check;
mod inspect;

pub use self::check::check;
pub use self::inspect::inspect;

/// What there is to say of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// To be printed as it is.
    pub text: String,
    /// Whether nothing is wrong with it.
    pub is_good: bool,
}

/// One JSON document a call, so that a program reads it as it is.
fn document(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// A number with a comma after each thousand.
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
