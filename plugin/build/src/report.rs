//! Messages to the user.

use std::io::Write as _;

/// Prints a line to standard error, which a test runner does not capture.
pub(crate) fn report(line: &str) {
    // A closed standard error is ignored.
    let _ = writeln!(std::io::stderr(), "edge-cache-build: {line}");
}
