//! The assertion that the checks use.

use crate::describe::Describe;
use crate::registry::Violation;

/// Compares a found value with the expected one.
///
/// # Errors
///
/// They differ; the text names the value and says how.
pub(crate) fn expect_eq<T: PartialEq + Describe>(
    name: &str,
    found: &T,
    expected: &T,
) -> Result<(), Violation> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{name} {}", found.difference_from(expected)))
}
