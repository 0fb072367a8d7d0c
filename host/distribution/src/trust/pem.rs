//! PEM with one section, whose label says what a file is before it is read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{Error, PemObject};
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
/// The dashes that end a label.
const DASHES: &str = "-----";
/// The characters of a line.
const LINE_BYTES: usize = 64;

/// Returns the label of the section; none where there is no section, or are several.
pub(crate) fn label(pem: &str) -> Option<&str> {
    let mut sections = pem.split(BEGIN).skip(1);
    let (label, _) = sections.next()?.split_once(DASHES)?;
    sections.next().is_none().then_some(label)
}

/// Reads the section of a label. The reason why it cannot be read shows nothing of the text, which may be a secret.
pub(crate) fn read<T: PemObject>(label: &str, pem: &str) -> Result<T, String> {
    T::from_pem_slice(pem.as_bytes()).map_err(|error| {
        let marks = format!("`-----BEGIN {label}-----` and `-----END {label}-----`");
        match error {
            Error::Base64Decode(_) => format!("the text between {marks} is no base64"),
            _ => format!("{marks} must be lines of their own"),
        }
    })
}

/// Writes a section. The text is cleared when it is dropped, since it may be a secret.
pub(crate) fn write(label: &str, der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    // Allocated at once: a text that grows leaves copies of a secret in memory.
    let room = base64.len().saturating_mul(2);
    let room = room.saturating_add(label.len().saturating_mul(2).saturating_add(64));
    let mut pem = Zeroizing::new(String::with_capacity(room));
    let mut rest = base64.as_str();
    for part in [BEGIN, label, DASHES, "\n"] {
        pem.push_str(part);
    }
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_BYTES));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    for part in ["-----END ", label, DASHES, "\n"] {
        pem.push_str(part);
    }
    pem
}
