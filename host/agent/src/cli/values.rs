//! How the values of settings are written: each parser says what would be right.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use edge_cache_core::text;
use edge_cache_host::sandbox::ImportGrants;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const GIB: usize = 1024 * MIB;
/// The size of a SHA-256.
const SHA256_BYTES: usize = 32;

/// The numbers that a node id can be, in the one way that they are written everywhere.
pub(super) fn parse_node_id(text: &str) -> Result<u64, String> {
    let wrong = || format!("a node id is a number from 0 to {}", u64::MAX);
    if text.starts_with('+') || (text.starts_with('0') && text != "0") {
        return Err(format!("{}, without a sign or leading zeros", wrong()));
    }
    text.parse().map_err(|_| wrong())
}

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an address is IP:PORT, for instance 127.0.0.1:7946 or [::1]:7946".to_string())
}

/// `KEY=VALUE`.
pub(super) fn parse_pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .ok_or_else(|| "it must be KEY=VALUE".to_string())
}

/// A label, whose key is checked later, where the bounds of labels are known.
pub(super) fn parse_label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .ok_or_else(|| "a label is KEY=VALUE".to_string())
}

/// A number with the unit ms, s or m.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a whole number with a unit: 200ms, 1s or 2m".to_string();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(wrong()),
    }
}

/// A number of bytes, alone or with the unit KiB, MiB or GiB.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let wrong =
        || "a size is a whole number of bytes, or one with a unit: 1KiB or 64MiB".to_string();
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: usize = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

/// A size within bounds.
pub(super) fn size(
    bounds: RangeInclusive<usize>,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| {
        let size = parse_size(text)?;
        within(&bounds, size, |bound| size_text(*bound))
    }
}

/// A time within bounds.
pub(super) fn time(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync {
    move |text| {
        let time = parse_time(text)?;
        within(&bounds, time, |bound| format!("{bound:?}"))
    }
}

/// A count within bounds.
pub(super) fn count(
    bounds: RangeInclusive<usize>,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| {
        let wrong = || {
            let (least, most) = (bounds.start(), bounds.end());
            format!("it must be a whole number from {least} to {most}")
        };
        let count = text.parse().map_err(|_| wrong())?;
        within(&bounds, count, ToString::to_string)
    }
}

/// The digest of a component file.
pub(crate) fn parse_sha256(text: &str) -> Result<[u8; SHA256_BYTES], String> {
    let wrong = || "a SHA-256 is 64 hexadecimal digits, as `sha256sum` prints it".to_string();
    let mut digest = [0; SHA256_BYTES];
    if text.len() != SHA256_BYTES.saturating_mul(2) || !text.is_ascii() {
        return Err(wrong());
    }
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        // `from_str_radix` alone would take a plus sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}

/// An interface that the host has.
pub(super) fn parse_import(text: &str) -> Result<String, String> {
    let known = ImportGrants::default();
    if known.names().any(|name| name == text) {
        return Ok(text.to_string());
    }
    let nearest = super::super::settings::nearest(text, known.names())
        .map(|name| format!("; do you mean `{name}`?"))
        .unwrap_or_default();
    Err(format!(
        "an import is the name of an interface that the host has, without its version{nearest}"
    ))
}

/// A label key that a component is granted, and all that go on with `_`.
pub(super) fn parse_grant(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if !text.is_empty() && text.bytes().all(fits) {
        return Ok(text.to_string());
    }
    Err("a label key is of the characters A-Z a-z 0-9 _ . - and not empty".to_string())
}

/// Which lines of the log are kept, as tracing's `EnvFilter` has it.
pub(super) fn parse_log_level(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_string()),
        Ok(_) => Err("it must not be empty; for instance info".to_string()),
        Err(error) => Err(format!(
            "{}; right are for instance info, or warn,edge_cache_host::gossip=debug",
            text::error_chain(&error)
        )),
    }
}

fn within<T: PartialOrd>(
    bounds: &RangeInclusive<T>,
    value: T,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (show(bounds.start()), show(bounds.end()));
    Err(format!("it must be {least} to {most}"))
}

/// In the largest unit that divides it.
fn size_text(size: usize) -> String {
    for (unit, name) in [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")] {
        if size >= unit && size.checked_rem(unit) == Some(0) {
            return format!("{}{name}", size.checked_div(unit).unwrap_or(size));
        }
    }
    format!("{size} bytes")
}
