//! `plugin keygen`: makes the key pair that signs plugins.

use anyhow::{Context, Result};

use crate::cli::KeygenArgs;
use crate::plugin_files;
use edge_cache_distribution::SigningKey;

/// Makes a key pair and writes it to two new files. Returns the public key's line for `[keys]` of a trust file.
///
/// # Errors
///
/// A file exists already or cannot be written, or the system has no random bytes to give.
pub fn keygen(args: &KeygenArgs) -> Result<String> {
    let key = SigningKey::generate(args.algorithm).context("cannot make a key")?;
    plugin_files::write_key(&args.file, &key)?;
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    Ok(format!(
        "{} = \"\"\"\n{}\"\"\"\n",
        key_name(&stem),
        key.public_pem()
    ))
}

/// Makes a bare key of TOML, of at most 64 bytes, from the name of a file.
fn key_name(stem: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    stem.chars().take(64).map(plain).collect()
}
