//! Describes errors in JSON bodies for the client.
//!
//! The texts of serde_json name types of Rust, and repeat the input without a limit.

use super::problem::{Problem, QUOTED_BYTES_MAX};
use edge_cache_api::ProblemType;
use edge_cache_core::text;

/// The most bytes of the part of a text that quotes the input.
const FOUND_BYTES_MAX: usize = 32 + QUOTED_BYTES_MAX;
/// The most bytes of the part of a text that names what is expected.
const EXPECTED_BYTES_MAX: usize = 256;

/// Returns the problem with a body. `path` is the field that was read, `.` for the body as a whole.
pub(super) fn wrong_body(path: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let detail = describe(path, &message, error.line(), error.column());
    // serde_json counts a number that even a float cannot hold as malformed, though it is only too large.
    if error.is_data() || message.starts_with("number out of range") {
        return Problem::new(ProblemType::InvalidBody, detail);
    }
    Problem::new(ProblemType::MalformedJson, detail)
}

fn describe(path: &str, message: &str, line: usize, column: usize) -> String {
    let position = format!(" at line {line} column {column}");
    let message = message.strip_suffix(&position).unwrap_or(message);
    // The last one is serde's own: quotes of the input come before it.
    let (found, expected) = match message.rsplit_once(", expected ") {
        Some((found, expected)) => (found, Some(expected)),
        None => (message, None),
    };
    let mut detail = match path {
        "." | "?" => String::new(),
        field => format!("`{}`: ", text::clean(field, QUOTED_BYTES_MAX)),
    };
    detail.push_str(&text::clean(found, FOUND_BYTES_MAX));
    if let Some(expected) = expected {
        detail.push_str(", expected ");
        detail.push_str(&text::clean(&in_words(expected), EXPECTED_BYTES_MAX));
    }
    detail.push_str(&position);
    detail
}

fn in_words(expected: &str) -> String {
    match expected {
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => format!("a whole number from 0 to {}", u64::MAX),
        other => other.to_string(),
    }
}
