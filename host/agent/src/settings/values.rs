//! Parsers for the values of settings. Every error states the accepted notation.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;

use sha2::{Digest, Sha256};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::suggest::did_you_mean;
use edge_cache_host::sandbox::ImportGrants;

/// The size of a SHA-256 digest, in bytes.
pub(crate) const SHA256_BYTES: usize = 32;

/// The levels of the log, from none to all lines.
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The prefix of a node id that is given as a name.
const NAME_PREFIX: &str = "name:";
/// The longest name, in bytes: that of a host in DNS.
const NAME_BYTES_MAX: usize = 253;
/// The bits of an id that comes from a name: as many as a number has in every reader of JSON.
const NAME_ID_BITS: u32 = 53;

/// Parses a node id in its canonical notation, or `name:TEXT`, whose id is a hash of the text.
pub(crate) fn parse_node_id(text: &str) -> Result<u64, String> {
    if let Some(name) = text.strip_prefix(NAME_PREFIX) {
        return named_id(name);
    }
    let wrong = || format!("a node id is a number from 0 to {}, or name:TEXT", u64::MAX);
    if text.starts_with('+') || (text.starts_with('0') && text != "0") {
        return Err(format!("{}, without a sign or leading zeros", wrong()));
    }
    text.parse().map_err(|_| wrong())
}

/// Returns the id of a name: the first 53 bits of its SHA-256. Of 1,000 nodes two have the same id once in 10^10 clusters.
fn named_id(name: &str) -> Result<u64, String> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return Err(format!(
            "the name after `{NAME_PREFIX}` has 1 to {NAME_BYTES_MAX} printable ASCII characters without spaces"
        ));
    }
    let hash = Sha256::digest(name);
    let first = hash.first_chunk().copied().unwrap_or_default();
    Ok(u64::from_be_bytes(first) >> (u64::BITS - NAME_ID_BITS))
}

/// Parses `IP:PORT`.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an address is IP:PORT, for example 127.0.0.1:7946 or [::1]:7946".to_string())
}

/// Parses `KEY=VALUE` with a key that is not empty.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .ok_or_else(|| "it must be KEY=VALUE".to_string())
}

pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("a time has a unit, for example 200ms, 1s or 2m: {error}"))
}

/// Parses a number of bytes, with or without a unit.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let wrong = || "a size is a number of bytes, for example 1024, 1KiB or 64MiB".to_string();
    let size: ByteSize = text.parse().map_err(|_| wrong())?;
    usize::try_from(size.as_u64()).map_err(|_| wrong())
}

/// Returns a parser of sizes within bounds.
pub(crate) fn size(
    bounds: RangeInclusive<usize>,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    within(bounds, parse_size, |bound| {
        ByteSize::b(u64::try_from(*bound).unwrap_or(u64::MAX)).to_string()
    })
}

/// Returns a parser of durations within bounds.
pub(crate) fn time(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync {
    within(bounds, parse_time, |bound| {
        humantime::format_duration(*bound).to_string()
    })
}

/// Returns a parser of counts within bounds.
pub(crate) fn count(
    bounds: RangeInclusive<usize>,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| "it must be a whole number".to_string())
    };
    within(bounds, parse, ToString::to_string)
}

/// Parses the SHA-256 digest of a file.
pub(crate) fn parse_sha256(text: &str) -> Result<[u8; SHA256_BYTES], String> {
    let mut digest = [0; SHA256_BYTES];
    hex::decode_to_slice(text, &mut digest)
        .map(|()| digest)
        .map_err(|_| "a SHA-256 is 64 hexadecimal digits, as `sha256sum` prints it".to_string())
}

/// Parses the name of an interface that the host offers.
pub(crate) fn parse_import(text: &str) -> Result<String, String> {
    let known = ImportGrants::default();
    if known.names().any(|name| name == text) {
        return Ok(text.to_string());
    }
    let suggestion = did_you_mean(text, known.names());
    Err(format!(
        "an import is the name of an interface of the host, without version{suggestion}"
    ))
}

/// Parses a label key that is granted to the plugin.
pub(crate) fn parse_grant(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if !text.is_empty() && text.bytes().all(fits) {
        return Ok(text.to_string());
    }
    Err("a label key has the characters A-Z a-z 0-9 _ . - and is not empty".to_string())
}

/// Checks a filter of log lines in the notation of tracing's `EnvFilter`.
///
/// # Errors
///
/// The text names no level, or a word that is none. `EnvFilter` takes such a word for a target and logs nothing else.
pub fn parse_log_level(text: &str) -> Result<String, String> {
    let wrong = |word: &str| {
        format!(
            "a level is {}, and for a single target TARGET=LEVEL, as in warn,edge_cache_gossip=debug; for example \
             info{}",
            LOG_LEVELS.join(", "),
            did_you_mean(word, LOG_LEVELS.iter().copied())
        )
    };
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    // A filter by spans has its own notation, in which commas separate fields too.
    if !text.contains('[')
        && let Some(word) = text
            .split(',')
            .map(|directive| directive.rsplit('=').next().unwrap_or(directive).trim())
            .find(|word| !is_level(word))
    {
        return Err(wrong(word));
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_string()),
        Err(_) => Err(wrong(text)),
    }
}

/// Returns a parser that refuses values out of bounds.
fn within<T: PartialOrd + Clone + Send + Sync>(
    bounds: RangeInclusive<T>,
    parse: fn(&str) -> Result<T, String>,
    show: fn(&T) -> String,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let value = parse(text)?;
        if bounds.contains(&value) {
            return Ok(value);
        }
        let (least, most) = (show(bounds.start()), show(bounds.end()));
        Err(format!("it must be from {least} to {most}"))
    }
}
